# SPDX-License-Identifier: Apache-2.0
"""What a document says beyond services and servers: the kernel has it, and keeps it.

Read by other people's eyes, /proc and ipvsadm.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from services.apply import transact
from services.errors import Refused
from services.model import Cluster, Document, Layer4Advanced, Layer4Server, Layer4Service
from services.plan.changes import SetSysctls
from services.plan.ipvs_changes import SetTimeouts
from services.wanted import wanted
from tests.kernel.guest.hands import ipvsadm
from tests.kernel.guest.whole import PLACE, applied, drivers
from tests.netns import inside

VS = Path("/proc/sys/net/ipv4/vs")
SAVED = "-t 192.0.2.100:80"


def document(advanced: dict[str, Any] | None = None, **fields: Any) -> Document:
    """One service at 192.0.2.100 port 80."""
    server = Layer4Server(id=2, label="web1", address=ip_address("192.0.2.101"))
    whole = {
        "id": 1,
        "label": "web",
        "addresses": ["192.0.2.100"],
        "persistence_s": 0,
        "fallback_address": None,
        "servers": [server],
    }
    service = Layer4Service.model_validate(whole | fields)
    return Document(
        cluster=Cluster(layer4=(service,), layer4_advanced=Layer4Advanced(**(advanced or {})))
    )


def switches() -> dict[str, str]:
    """Those of the kernel's that a document decides."""
    return {
        name: (VS / name).read_text().strip() for name in ("conntrack", "expire_quiescent_template")
    }


async def a_drift() -> None:
    doors = drivers()
    masquerading = document(forwarding="snat")
    await applied(masquerading, doors)
    assert switches() == {"conntrack": "1", "expire_quiescent_template": "1"}

    (VS / "conntrack").write_text("0")
    (VS / "expire_nodest_conn").write_text("0")
    [change] = await applied(masquerading, doors)
    assert isinstance(change, SetSysctls)
    assert change.values == (
        ("net/ipv4/vs/conntrack", "1"),
        ("net/ipv4/vs/expire_nodest_conn", "1"),
    )
    assert switches()["conntrack"] == "1"
    assert await applied(masquerading, doors) == ()

    await applied(document({"quiescent": False, "release_persistent": False}), doors)
    assert switches() == {"conntrack": "0", "expire_quiescent_template": "0"}
    await applied(document({"one_arm_nat": True}, forwarding="nat"), doors)
    assert switches()["conntrack"] == "1"


def test_a_switch_that_somebody_turned_is_turned_back() -> None:
    inside(a_drift)


async def timeouts() -> None:
    doors = drivers()
    short = document({"tcp_timeout_s": 60, "tcp_fin_timeout_s": 30, "udp_timeout_s": 10})
    await applied(short, doors)
    assert ipvsadm("-L", "--timeout").split(": ")[1].strip() == "60 30 10"
    ipvsadm("--set", "900", "120", "300")
    [change] = await applied(short, doors)
    assert isinstance(change, SetTimeouts)
    assert ipvsadm("-L", "--timeout").split(": ")[1].strip() == "60 30 10"


def test_timeouts_that_somebody_changed_are_put_right() -> None:
    inside(timeouts)


async def saved(fields: dict[str, Any]) -> str:
    await applied(document(**fields), drivers())
    return ipvsadm("-S", "-n")


@pytest.mark.parametrize("name", ["sh", "mh"])
def test_the_switches_of_a_hash_are_in_the_kernels_table(name: str) -> None:
    both = {"scheduler": name, "hash_port": True, "hash_fallback": True}
    assert f"-A {SAVED} -s {name} -b {name}-fallback,{name}-port" in inside(saved, both)
    one = {"scheduler": name, "hash_fallback": True}
    assert f"-A {SAVED} -s {name} -b {name}-fallback\n" in inside(saved, one)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tunnel": "ipip"}, "--tun-type ipip"),
        ({"tunnel": "gue", "tunnel_port": 5555}, "--tun-type gue --tun-port 5555 --tun-nocsum"),
        (
            {"tunnel": "gue", "tunnel_checksum": "full"},
            "--tun-type gue --tun-port 6080 --tun-csum",
        ),
        (
            {"tunnel": "gue", "tunnel_checksum": "remote"},
            "--tun-type gue --tun-port 6080 --tun-remcsum",
        ),
        ({"tunnel": "gre"}, "--tun-type gre --tun-nocsum"),
        ({"tunnel": "gre", "tunnel_checksum": "full"}, "--tun-type gre --tun-csum"),
    ],
)
def test_a_tunnels_wrapping_is_in_the_kernels_table(fields: dict[str, Any], words: str) -> None:
    told = inside(saved, fields | {"forwarding": "tun"})
    line = next(line for line in told.splitlines() if line.startswith("-a"))
    assert " ".join(line.split()) == f"-a {SAVED} -r 192.0.2.101:80 -i -w 100 {words}"


async def lacking() -> str:
    """What is said of a scheduler that this kernel has not, and that nothing was touched."""
    doors = drivers()
    before = document()
    await applied(before, doors)
    table = ipvsadm("-S", "-n")
    asked = wanted(document(scheduler="wlc", ports="81"), PLACE)
    [(key, entry)] = asked.ipvs.table.items()
    entries = asked.ipvs.table
    assert isinstance(entries, dict)
    # the model knows no scheduler that the appliance's kernel lacks
    service = entry.service._replace(scheduler="nonesuch")
    entries[key] = type(entry)(service, entry.dests)

    async def nothing() -> None:
        return

    with pytest.raises(Refused) as refused:
        await transact(doors, old=wanted(before, PLACE), new=asked, ready=nothing, commit=nothing)
    assert ipvsadm("-S", "-n") == table
    return str(refused.value)


def test_a_scheduler_that_the_kernel_lacks_is_refused_before_anything_is_changed() -> None:
    assert inside(lacking) == (
        "This machine's kernel has no scheduler nonesuch, which layer 4 service tcp "
        "192.0.2.100:81 asks for. Choose another one, or load its module "
        "(`modprobe ip_vs_nonesuch`)."
    )
