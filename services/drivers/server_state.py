# SPDX-License-Identifier: Apache-2.0
"""Health that a new worker takes over from the one before, and nothing else of it; pure.

Without a state file a reload would send traffic to every server that is down, until its
checks have failed again. With HAProxy's own state as it is, a reload would undo edits: the
file's entry wins over the new configuration's port, its weight and its maintenance (a
server moved to another port went on being asked on the old one). So what the administrator
decides is taken from the new configuration, what the checks found is taken from the old
worker, and a server that is not the same any more starts afresh.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from services.drivers.haproxy_answers import FORCED_MAINTENANCE, state_rows
from services.drivers.haproxy_file import ServerLine
from services.plan.state import ServerKey

VERSION = "1\n"
"""First line of every state file, and all of an empty one: HAProxy warns without it."""


def carried(states: str, servers: Mapping[ServerKey, ServerLine]) -> str:
    """The state file for a worker with `servers`, from the old one's `show servers state`.

    An entry is kept if the server has the same address and port, is checked (nobody would
    ever bring up a server that is down and no longer checked), and was and is not halted.
    """
    header = next((line for line in states.split("\n") if line.startswith("# ")), "")
    lines = [VERSION.strip(), header]
    for key, row in state_rows(states):
        wanted = servers.get(key)
        if wanted is None or not wanted.checked or wanted.knobs.halted:
            continue
        if int(row.get("srv_admin_state", "0")) & FORCED_MAINTENANCE:
            continue
        if row.get("srv_port") != str(wanted.port) or not _same(row["srv_addr"], wanted.address):
            continue
        weight = str(wanted.knobs.weight)
        ours = {"srv_admin_state": "0", "srv_uweight": weight, "srv_iweight": weight}
        # where to check is the new configuration's business as well; 0 and - mean "as it says"
        ours |= {"srv_check_port": "0", "srv_check_addr": "-"}
        lines.append(" ".join((row | {name: ours[name] for name in ours if name in row}).values()))
    return "".join(f"{line}\n" for line in lines) if header else VERSION


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return False
