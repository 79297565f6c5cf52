# SPDX-License-Identifier: Apache-2.0
"""The real servers of the benchmarks: one HAProxy that answers by itself.

The lab's own web servers say who answered and are far too slow; whoever measures a load
balancer must not measure what is behind it.
"""

from __future__ import annotations

import time

from tests.bench.fleets import REAL_SERVERS, WEB_PORT
from tests.bench.haproxy import Silent, runtime
from tests.lab import Lab

HOME = "web1"
"""The machine of the lab it runs on."""
BODY = "x" * 512


def _config(sock: str) -> str:
    return f"""\
global
    maxconn 4000
    stats socket {sock} mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen origin
    bind :{WEB_PORT}
    http-request return status 200 content-type text/plain string {BODY}
"""


class Origin:
    """The running one, reached by the appliance and by `others`; it ends with its lab."""

    def __init__(self, lab: Lab, *others: str) -> None:
        home = lab.place(HOME)
        # every address of the network is its own, and the others find the way to it
        home.run(["ip", "route", "add", "local", str(REAL_SERVERS), "dev", "lo"], timeout_s=5)
        # on the link: the appliance has no address of its own before its first document
        via = ("via", lab.layout.real_servers[0].ipv4, "dev", "eth0", "onlink")
        for place in (lab.appliance, *(lab.place(name) for name in others)):
            place.run(["ip", "route", "add", str(REAL_SERVERS), *via], timeout_s=5)
        self._socket = lab.folder / "origin.sock"
        config = lab.folder / "origin.cfg"
        config.write_text(_config(str(self._socket)))
        log = lab.folder / "log" / "origin.log"
        home.spawn(["haproxy", "-db", "-f", str(config)], log=log)
        give_up_at = time.monotonic() + 10
        while True:
            try:
                runtime(self._socket, "show info")
                return
            except Silent as error:
                if time.monotonic() > give_up_at:
                    raise RuntimeError(f"the origin does not start: {log.read_text()}") from error
                time.sleep(0.01)

    @property
    def requests(self) -> int:
        """Requests answered so far."""
        told = runtime(self._socket, "show info")
        return int(next(line.split()[1] for line in told.splitlines() if line[:7] == "CumReq:"))
