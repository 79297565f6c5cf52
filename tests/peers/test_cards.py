# SPDX-License-Identifier: Apache-2.0
"""Real devices get their names: swapped, chained, on again, and what is no card is left alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.drivers import cards
from services.drivers.netlink import attribute
from services.errors import Unable
from services.nicnames.__main__ import give_names
from services.plan.names import Nic, Rename
from tests.netns import inside, ip


def as_cards() -> list[Nic]:
    """The near ends of cables, in no place: /sys is the host's. But for that the truth."""
    return [
        replace(nic, place="", not_a_card="") if nic.address.startswith("52:54:00") else nic
        for nic in cards.read()
    ]


def plug(*names: str) -> None:
    """Cards with the last number of their address as in `x7`."""
    for name in names:
        ip(f"link add {name} address 52:54:00:00:00:0{name[-1]} type veth peer name far-{name}")


def found() -> dict[str, str]:
    """Name by the address's last digit."""
    return {nic.address[-1]: nic.name for nic in cards.read() if nic.address.startswith("52:54:00")}


def book_of(path: Path, **names: int) -> Path:
    path.write_text(
        json.dumps(
            {
                "cards": [
                    {"name": name, "address": f"52:54:00:00:00:0{digit}"}
                    for name, digit in names.items()
                ]
            }
        )
    )
    return path


def test_swapped_names_are_swapped_back_while_the_cards_are_on(tmp_path: Path) -> None:
    def whole() -> dict[str, str]:
        plug("x1", "x2")
        ip("link set x1 name eth1", "link set x2 name eth0")
        assert give_names(book_of(tmp_path / "book", eth0=1, eth1=2), as_cards) == []
        return found()

    assert inside(whole) == {"1": "eth0", "2": "eth1"}


def test_four_in_a_ring_get_their_names(tmp_path: Path) -> None:
    def whole() -> dict[str, str]:
        plug("x1", "x2", "x3", "x4")
        ip(*(f"link set x{n} name eth{n % 4}" for n in (1, 2, 3, 4)))
        give_names(book_of(tmp_path / "book", eth0=1, eth1=2, eth2=3, eth3=4), as_cards)
        return found()

    assert inside(whole) == {"1": "eth0", "2": "eth1", "3": "eth2", "4": "eth3"}


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_the_first_start_names_and_remembers_and_the_next_changes_nothing(
    count: int, tmp_path: Path
) -> None:
    book = tmp_path / "ballast" / "nics.json"

    def whole() -> tuple[dict[str, str], bytes, bytes]:
        plug(*(f"x{number}" for number in range(count)))
        give_names(book, as_cards)
        first = book.read_bytes()
        give_names(book, as_cards)
        return found(), first, book.read_bytes()

    names, first, second = inside(whole)
    assert names == {str(number): f"eth{number}" for number in range(count)}
    assert first == second


def test_word_is_left_of_what_was_named_and_not_of_a_card_that_appears_meanwhile(
    tmp_path: Path,
) -> None:
    named = tmp_path / "named"

    def late() -> list[Nic]:
        """As the cards are; the next appears right after."""
        seen = as_cards()
        if not any(nic.address.endswith("2") for nic in seen):
            plug("x2")
        return seen

    def whole() -> tuple[dict[str, int], list[str]]:
        plug("x1")
        give_names(tmp_path / "book", late, named=named)
        return {nic.name: nic.index for nic in as_cards()}, [path.name for path in named.iterdir()]

    index, told = inside(whole)
    assert str(index["eth0"]) in told
    assert str(index["x2"]) not in told


def test_a_card_named_in_passing_when_the_power_went_gets_its_name(tmp_path: Path) -> None:
    def whole() -> dict[str, str]:
        plug("x1", "x2")
        ip("link set x1 name card7", "link set x2 name eth0")
        give_names(book_of(tmp_path / "book", eth0=1, eth1=2), as_cards)
        return found()

    assert inside(whole) == {"1": "eth0", "2": "eth1"}


def test_cards_are_on_afterwards_and_take_nothing_from_a_router(tmp_path: Path) -> None:
    def whole() -> tuple[str, str]:
        plug("x1")
        give_names(tmp_path / "book", as_cards)
        cards.switch_on([nic for nic in as_cards() if nic.name == "eth0"])
        return ip("-o link show eth0"), (cards.PROC / "eth0" / "accept_ra").read_text()

    shown, accepts = inside(whole)
    assert "UP" in shown.partition("<")[2].partition(">")[0].split(",")
    assert accepts.strip() == "0"


def test_virtual_devices_are_no_cards() -> None:
    def whole() -> dict[str, str]:
        ip(
            "link add bridge7 type bridge",
            "link add far7 type veth peer name near7",
            "link set near7 master bridge7",
        )
        ip("tuntap add tap7 mode tap")
        return {nic.name: nic.not_a_card for nic in cards.read()}

    kinds = inside(whole)
    assert kinds["lo"] == "not Ethernet"
    assert kinds["bridge7"] == "bridge"
    assert kinds["far7"] == kinds["near7"] == "veth"
    assert kinds["tap7"] == "tun"
    assert all(kinds.values())


def test_what_sysfs_says_makes_a_card_or_not(tmp_path: Path) -> None:
    """One device, seen through folders as sysfs has them for other hardware."""
    slot = tmp_path / "devices" / "0000:00:03.0"
    slot.mkdir(parents=True)
    (tmp_path / "drivers" / "igb").mkdir(parents=True)
    (slot / "driver").symlink_to(tmp_path / "drivers" / "igb")
    (slot / "acpi_index").write_text("2\n")
    folder = tmp_path / "net" / "x1"
    folder.mkdir(parents=True)
    (folder / "device").symlink_to(slot)
    (folder / "dev_port").write_text("1\n")
    nic = cards._nic(link(1, "x1"), tmp_path / "net")
    assert (nic.index, nic.name, nic.address) == (7, "x1", "52:54:00:00:00:01")
    assert (nic.driver, nic.onboard, nic.not_a_card) == ("igb", 2, "")
    assert nic.place == f"{slot}#1"
    assert cards._nic(link(1, "x1", master=9), tmp_path / "net").not_a_card == "in use by a bond"
    assert cards._nic(link(1, "x9"), tmp_path / "net").not_a_card == "virtual"
    assert cards._nic(link(772, "x1"), tmp_path / "net").not_a_card == "not Ethernet"
    (slot / "physfn").mkdir()
    assert cards._nic(link(1, "x1"), tmp_path / "net").not_a_card == "a part of another card"
    (folder / "phy80211").mkdir()
    assert cards._nic(link(1, "x1"), tmp_path / "net").not_a_card == "wireless"


def link(kind: int, name: str, *, master: int = 0) -> bytes:
    """A card in the kernel's words."""
    body = cards._LINK.pack(0, kind, 7, 0, 0)
    body += attribute(cards._ADDRESS, bytes.fromhex("525400000001"))
    body += attribute(cards._NAME, name.encode() + b"\0")
    return body + (attribute(cards._MASTER, cards._U32.pack(master)) if master else b"")


def test_a_name_the_kernel_does_not_take_is_told_and_the_others_have_theirs() -> None:
    def whole() -> tuple[str, Sequence[str]]:
        plug("x1", "x2")
        ip("link add eth0 type bridge")
        index = {nic.name: nic.index for nic in cards.read()}
        with pytest.raises(Unable, match="x1 cannot become eth0: ") as caught:
            cards.rename([Rename(index["x1"], "x1", "eth0"), Rename(index["x2"], "x2", "eth1")])
        return str(caught.value), sorted(found().values())

    told, names = inside(whole)
    assert "Restart the unit" in told
    assert "eth1" in names


def test_a_broken_file_or_a_full_disk_leaves_a_unit_that_can_be_reached(tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.write_text("{")
    blocked = tmp_path / "file"
    blocked.write_text("")

    def whole() -> tuple[list[str], list[str], dict[str, str]]:
        plug("x1")
        first = [str(trouble) for trouble in give_names(book, as_cards)]
        ip("link set eth0 down", "link set eth0 name x1")
        second = [str(trouble) for trouble in give_names(blocked / "nics.json", as_cards)]
        return first, second, found()

    first, second, names = inside(whole)
    assert len(first) == 1
    assert "which network card has which name" in first[0]
    assert len(second) >= 1
    assert names == {"1": "eth0"}
    assert json.loads(book.read_text())["cards"][0]["name"] == "eth0"


def controller(buses: Path, place: str, **attributes: str) -> Path:
    """A folder as /sys/bus has it: `pci/devices/0000:00:03.0` with its attributes."""
    folder = buses / place
    folder.mkdir(parents=True)
    for name, text in attributes.items():
        (folder / name).write_text(f"{text}\n")
    return folder


ETHERNET = "0x020000"
HYPERV = "{f8615163-df3e-46c5-913f-f2d2f965ed0e}"


def waited(buses: Path, within_s: float, most_s: float = 30) -> float:
    begun = time.monotonic()
    cards.await_drivers(buses, buses / "queue", within_s=within_s, most_s=most_s)
    return time.monotonic() - begun


def test_nobody_waits_where_every_controller_has_its_device(tmp_path: Path) -> None:
    (controller(tmp_path, "pci/devices/0000:00:03.0", **{"class": ETHERNET}) / "net/x0").mkdir(
        parents=True
    )
    virtio = controller(tmp_path, "pci/devices/0000:00:04.0", **{"class": ETHERNET})
    (virtio / "virtio1/net/x1").mkdir(parents=True)
    (controller(tmp_path, "vmbus/devices/1-2-3", class_id=HYPERV) / "net/x2").mkdir(parents=True)
    (controller(tmp_path, "xen/devices/vif-0", devtype="vif") / "net/x3").mkdir(parents=True)
    controller(tmp_path, "pci/devices/0000:00:02.0", **{"class": "0x030000"})
    controller(tmp_path, "xen/devices/vbd-1", devtype="vbd")
    assert waited(tmp_path, within_s=30) < 5


@pytest.mark.parametrize(
    ("place", "attributes"),
    [
        ("pci/devices/0000:00:03.0", {"class": ETHERNET}),
        ("vmbus/devices/1-2-3", {"class_id": HYPERV}),
        ("xen/devices/vif-0", {"devtype": "vif"}),
    ],
)
def test_a_controller_without_its_driver_is_waited_for_and_then_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str, attributes: dict[str, str]
) -> None:
    bare = controller(tmp_path, place, **attributes)
    assert waited(tmp_path, within_s=0.3) >= 0.3
    assert bare.name in caplog.text
    loading = threading.Timer(0.5, (bare / "net/x0").mkdir, kwargs={"parents": True})
    loading.start()
    assert 0.3 < waited(tmp_path, within_s=30) < 15
    loading.join()


def test_nobody_gives_up_while_udev_is_at_work_unless_it_takes_too_long(tmp_path: Path) -> None:
    controller(tmp_path, "pci/devices/0000:00:03.0", **{"class": ETHERNET})
    queue = tmp_path / "queue"
    queue.touch()
    assert waited(tmp_path, within_s=0.3, most_s=1) >= 1
    done = threading.Timer(1, queue.unlink)
    done.start()
    assert 1.3 < waited(tmp_path, within_s=0.5) < 15
    done.join()


def test_where_no_controller_is_to_be_seen_its_bus_may_still_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert waited(tmp_path, within_s=0.3) >= 0.3
    assert "any card" in caplog.text
