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

from services.drivers.haproxy_answers import FORCED_MAINTENANCE, server_key
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
    at = {name: place for place, name in enumerate(header[2:].split())}
    if not at.keys() >= _NEEDED:
        return VERSION
    proxy, server, admin = at["be_name"], at["srv_name"], at["srv_admin_state"]
    address, port = at["srv_addr"], at["srv_port"]
    ours = [(at[name], value) for name, value in _OURS.items() if name in at]
    weights = [at["srv_uweight"], at["srv_iweight"]]
    lines = [VERSION.strip(), header]
    for line in states.split("\n"):
        words = line.split(" ")
        if len(words) < len(at) or line is header:
            continue
        key = server_key(words[proxy], words[server])
        wanted = servers.get(key) if key else None
        if wanted is None or not wanted.checked or wanted.knobs.halted:
            continue
        if int(words[admin]) & FORCED_MAINTENANCE:
            continue
        if words[port] != str(wanted.port) or not _same(words[address], wanted.address):
            continue
        for place, value in ours:
            words[place] = value
        for place in weights:
            words[place] = str(wanted.knobs.weight)
        lines.append(" ".join(words))
    return "\n".join([*lines, ""])


_NEEDED = {"be_name", "srv_name", "srv_addr", "srv_port"} | {
    "srv_admin_state",
    "srv_uweight",
    "srv_iweight",
}
_OURS = {"srv_admin_state": "0", "srv_check_port": "0", "srv_check_addr": "-"}
"""What the new configuration decides, whatever the old worker had; where to check is part of
it, and 0 and - mean "as the configuration says"."""


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return False
