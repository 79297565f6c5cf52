# SPDX-License-Identifier: Apache-2.0
"""What this machine lacks for a configuration, which no rule about the document can know.

A plan passes such a thing over, for there is nothing it could change: so it is said beside the
plan, to whoever reviews it, and refused when it is applied.

Of the kernel's modules only IPVS itself and its schedulers can be missing: packets are wrapped
for tunnels by `ip_vs` (net/netfilter/ipvs/ip_vs_xmit.c), it is the real server that needs the
tunnel's module.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.drivers.ipvs import Ipvs
from services.drivers.nft import INSTALL
from services.errors import Problem, Refused
from services.plan.state import Seen, Wanted

NO_IPVS = Problem(
    (),
    "This kernel gives the agent no IPVS, which layer 4 services need.",
    "Start it as root with the module ip_vs loaded, or try layer 4 in `make vm`.",
)


def lacks(wanted: Wanted, seen: Seen) -> Sequence[Problem]:
    """What can be told from a look."""
    found = []
    if wanted.ipvs.table and seen.ipvs is None:
        found.append(NO_IPVS)
    if wanted.rules and seen.rules is None:
        found.append(
            Problem(
                (),
                "This machine has no nftables, which services of several ports and NAT rules need.",
                INSTALL,
            )
        )
    return found


async def schedulers(ipvs: Ipvs, wanted: Wanted, seen: Seen) -> Sequence[Problem]:
    """Schedulers that the kernel lacks, of those that nothing uses yet; raises `Unable`.

    Asked about a person's changes only: what runs is to be put right as far as it goes.
    """
    if seen.ipvs is None:
        return ()
    used = {entry.service.scheduler for entry in seen.ipvs.table.values()}
    new = {
        entry.service.scheduler: key
        for key, entry in wanted.ipvs.table.items()
        if entry.service.scheduler not in used
    }
    return [
        Problem(
            (),
            f"This machine's kernel has no scheduler {scheduler}, which layer 4 service "
            f"{new[scheduler]} asks for.",
            f"Choose another one, or load its module (`modprobe ip_vs_{scheduler}`).",
        )
        for scheduler in sorted(await ipvs.lacking(new))
    ]


def require(problems: Sequence[Problem]) -> None:
    """Raise `Refused` with the first of them, if there is one."""
    for problem in problems:
        raise Refused(problem.what, do=problem.do)
