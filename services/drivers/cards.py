# SPDX-License-Identifier: Apache-2.0
"""Network cards as they are plugged in: what they are, renaming them, switching them on.

For the program that runs early at every start, before the network: so the messages are
packed by `netlink` and not by pyroute2, which takes 0.2 s to import, and several seconds of
a boot on a slow machine.

What the kernel tells of a device's nature is not all in one place: its kind (`bond`, `veth`)
and permanent address come over netlink, where it is plugged in and whether it has a radio
stand in /sys/class/net.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from services.drivers.netlink import (
    RTM_SETLINK,
    Refusal,
    Request,
    attribute,
    attributes,
    dump,
    send,
)
from services.errors import Unable
from services.plan.names import Nic, Rename

log = logging.getLogger(__name__)

SYS = Path("/sys/class/net")
BUSES = Path("/sys/bus")
PROC = Path("/proc/sys/net/ipv6/conf")

_RTM_GETLINK = 18
_LINK = struct.Struct("=BxHiII")
_U32 = struct.Struct("=I")
_ADDRESS, _NAME, _MASTER, _LINKINFO, _EXT_MASK, _PERMANENT = 1, 3, 10, 18, 29, 54
_INFO_KIND = 1
_SKIP_STATS = 8
_ETHERNET = 1
_UP = 0x1

CONTROLLERS = (
    ("pci", "class", "0x0200"),
    ("vmbus", "class_id", "{f8615163-df3e-46c5-913f-f2d2f965ed0e}"),
    ("xen", "devtype", "vif"),
)
"""Where Ethernet controllers are plugged in, and the attribute and its first characters by which
they are known: the PCI Code and ID Assignment Specification's class 02h, subclass 00h; Linux,
HV_NIC_GUID in include/linux/hyperv.h and drivers/net/xen-netfront.c. ballast-names.service loads
their drivers first."""

DRIVERS_S = 20.0
"""After udev has nothing left to do. A controller that no driver is there for, or of a guest of
this one, has none for ever."""
MOST_S = 75.0
"""A device that udev chokes on is no reason to stay unnamed: ballast-names.service ends at 90."""
UDEV_QUEUE = Path("/run/udev/queue")
"""Is there while udev has something to do, as libudev's `udev_queue_get_queue_is_empty` asks."""
LOOK_S = 0.1


def read(sys: Path = SYS) -> list[Nic]:
    """Every network device of this namespace. Raises `Unable`."""
    head = _LINK.pack(0, 0, 0, 0, 0) + attribute(_EXT_MASK, _U32.pack(_SKIP_STATS))
    try:
        return [_nic(body, sys) for body in dump(_RTM_GETLINK, head)]
    except OSError as error:
        raise _unable(error) from error


def await_drivers(
    buses: Path = BUSES,
    queue: Path = UDEV_QUEUE,
    *,
    within_s: float = DRIVERS_S,
    most_s: float = MOST_S,
) -> None:
    """Wait until every controller has its device: drivers are loaded while the system starts.

    Not for all of udev: `udevadm settle` waits for each terminal and block of memory as well, 15
    to 28 s of a start in an emulated machine. Where no controller is to be seen, the driver of
    their bus may be missing yet, as Hyper-V's is until it is loaded.
    """
    begun = time.monotonic()
    give_up_at = begun + within_s
    while True:
        if queue.exists():
            give_up_at = min(time.monotonic() + within_s, begun + most_s)
        controllers = _controllers(buses)
        bare = [each.name for each in controllers if not _devices(each)]
        if controllers and not bare:
            return
        if time.monotonic() > give_up_at:
            waited = time.monotonic() - begun
            log.warning("no driver after %.0f s for %s", waited, ", ".join(bare) or "any card")
            return
        time.sleep(LOOK_S)


def _controllers(buses: Path) -> list[Path]:
    return [
        folder
        for bus, attribute_name, start in CONTROLLERS
        for folder in sorted(buses.glob(f"{bus}/devices/*"))
        if _text(folder / attribute_name).startswith(start)
    ]


def _devices(controller: Path) -> list[Path]:
    """A virtio card is a device of its own behind the PCI one."""
    return [*controller.glob("net/*"), *controller.glob("virtio*/net/*")]


def rename(renames: Sequence[Rename]) -> None:
    """Give cards their names, by way of names that nobody has: so two may swap theirs.

    Raises `Unable`, naming those that would not take theirs; the others have them. A cut in
    the middle leaves cards with names of passage, which the next start puts right.
    """
    _sent([(_named(each.index, f"card{each.index}"), each) for each in renames])
    _sent([(_named(each.index, each.new), each) for each in renames])


def switch_on(nics: Sequence[Nic]) -> None:
    """Switch cards on, because one that is off does not tell whether a cable is plugged in.

    On its own, a card that is on takes addresses and a gateway from any router that offers
    them, and ours come from the configuration alone: so that is switched off first.
    """
    for nic in nics:
        try:
            (PROC / nic.name / "accept_ra").write_text("0\n")
        except FileNotFoundError:
            pass  # no IPv6
        except OSError as error:
            log.warning("%s listens to routers: %s", nic.name, error.strerror)
    requests = [Request(RTM_SETLINK, _LINK.pack(0, 0, nic.index, _UP, _UP)) for nic in nics]
    for nic, refusal in zip(nics, _asked(requests), strict=True):
        if refusal is not None:
            log.warning("%s cannot be switched on: %s", nic.name, refusal.words)


def _nic(body: bytes, sys: Path) -> Nic:
    _, kind, index, _, _ = _LINK.unpack_from(body)
    found = attributes(body, _LINK.size)
    name = found.get(_NAME, b"").rstrip(b"\0").decode(errors="replace")
    info = attributes(found.get(_LINKINFO, b""), 0)
    own = found.get(_PERMANENT, b"")
    folder = sys / name
    return Nic(
        index=index,
        name=name,
        address=_address(own or found.get(_ADDRESS, b"")),
        place=_place(folder),
        driver=_target(folder / "device" / "driver"),
        onboard=_number(folder / "device" / "acpi_index") or _number(folder / "device" / "index"),
        not_a_card=_nature(kind, info, folder, borrowed=_MASTER in found and not own),
    )


def _nature(kind: int, info: dict[int, bytes], folder: Path, *, borrowed: bool) -> str:
    """Why a device is no card of ours; empty if it is one."""
    if kind != _ETHERNET:
        return "not Ethernet"
    if virtual := info.get(_INFO_KIND, b"").rstrip(b"\0").decode(errors="replace"):
        return virtual
    if (folder / "phy80211").exists() or (folder / "wireless").exists():
        return "wireless"
    if not (folder / "device").exists():
        return "virtual"
    if (folder / "device" / "physfn").exists():
        return "a part of another card"
    # its address is then the bond's, and that of its neighbours too
    return "in use by a bond" if borrowed else ""


def _address(packed: bytes) -> str:
    """Six bytes that are some card's own, as text; else empty."""
    if len(packed) != 6 or not any(packed) or packed[0] & 1:
        return ""
    return packed.hex(":")


def _place(folder: Path) -> str:
    try:
        device = str((folder / "device").resolve(strict=True))
    except OSError:
        return ""
    port = _number(folder / "dev_port")
    return f"{device}#{port}" if port else device


def _target(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> int:
    try:
        return max(0, int(_text(path)))
    except ValueError:
        return 0


def _named(index: int, name: str) -> Request:
    body = _LINK.pack(0, 0, index, 0, 0) + attribute(_NAME, name.encode() + b"\0")
    return Request(RTM_SETLINK, body)


def _sent(requests: Sequence[tuple[Request, Rename]]) -> None:
    answers = _asked([request for request, _ in requests])
    refused = [
        f"{each.old} cannot become {each.new}: {refusal.words}"
        for (_, each), refusal in zip(requests, answers, strict=True)
        if refusal is not None
    ]
    if refused:
        raise Unable(
            f"{'; '.join(refused)}.", do="Restart the unit; look in the kernel's log if it stays."
        )


def _asked(requests: Sequence[Request]) -> list[Refusal | None]:
    try:
        return send(requests)
    except OSError as error:
        raise _unable(error) from error


def _unable(error: OSError) -> Unable:
    return Unable(
        f"The kernel does not answer about the network cards: {error.strerror or error}.",
        do="Look in the kernel's log.",
    )
