# SPDX-License-Identifier: Apache-2.0
"""l7.apply.ratio: one service of 200 changed, by us and by hand.

By hand means what an engineer types who trusts himself: `haproxy -c`, then `reload` to the
master, until the new worker answers. Everything else in our time is what an apply is for:
reading and checking the document, the plan, the files, the proof, the revision. Both sides
reload the same bytes (but for the paths in them) on the same HAProxy, each in a namespace
of its own, so that neither waits for the other's ports.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from tests.bench.door import Door
from tests.bench.fleets import fleet, with_limit
from tests.bench.haproxy import Silent, runtime, settled, worker_pid
from tests.bench.origin import Origin
from tests.bench.results import Formula, Result
from tests.lab import Lab

SERVICES, SERVERS = 200, 5
PAIRS = 9
WARM_UP = 1
PEER = "web2"
POLL_S = 0.001
QUIET_S = 0.3


class ByHand:
    """A HAProxy beside the appliance's, with the same file."""

    def __init__(self, lab: Lab) -> None:
        self._theirs = lab.folder / "run" / "haproxy"
        self._folder = lab.folder / "hand"
        self._folder.mkdir()
        self._log = lab.folder / "log" / "hand.log"
        self._file = self._folder / "haproxy.cfg"
        self.master = self._folder / "master.sock"
        self.admin = self._folder / "admin.sock"
        self._take_file()
        place = lab.place(PEER)
        lab.server(PEER).stop()  # it has port 80 of every address
        allow = "echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind"
        place.run(["sh", "-c", allow], timeout_s=5)
        argv = ["haproxy", "-W", "-S", str(self.master), "-f", str(self._file)]
        place.spawn(argv, log=self._log)
        self._await_other_than(0)

    def _take_file(self) -> None:
        theirs = (self._theirs / "haproxy.cfg").read_bytes()
        self._file.write_bytes(theirs.replace(bytes(self._theirs), bytes(self._folder)))

    def change_s(self) -> tuple[float, float]:
        """Check and reload what the appliance runs now: seconds for the check, and for all."""
        self._take_file()
        before = worker_pid(self.admin)
        begun = time.perf_counter()
        subprocess.run(["haproxy", "-c", "-f", self._file], check=True, capture_output=True)
        checked = time.perf_counter()
        runtime(self.master, "reload")
        self._await_other_than(before)
        return checked - begun, time.perf_counter() - begun

    def _await_other_than(self, before: int) -> None:
        give_up_at = time.monotonic() + 20
        while time.monotonic() < give_up_at:
            try:
                if worker_pid(self.admin) != before:
                    return
            except Silent:
                pass
            time.sleep(POLL_S)
        raise RuntimeError(f"the HAProxy driven by hand does not answer: {self._log.read_text()}")


def await_quiet(lab: Lab, hand: ByHand) -> None:
    """Let the turn before end on both sides: no worker is leaving any more."""
    settled(lab.folder / "run" / "haproxy" / "master.sock")
    settled(hand.master)
    time.sleep(QUIET_S)


def measure() -> Sequence[Result]:
    """Take turns: ours, by hand, and again."""
    with Lab(2, spares=0) as lab:
        Origin(lab, PEER)
        first = fleet(SERVICES, SERVERS)
        lab.start_agent(first=first)
        with Door(lab.socket) as door:
            document = door.get("/document")["document"]
            hand = ByHand(lab)
            ours, peer, checks = [], [], []
            for turn in range(WARM_UP + PAIRS):
                document = with_limit(document, SERVICES // 2, 30_000 + turn)
                await_quiet(lab, hand)
                ours.append(door.apply_s(document))
                await_quiet(lab, hand)
                check_s, change_s = hand.change_s()
                checks.append(check_s)
                peer.append(change_s)
    return [
        Result(
            "l7.apply.ratio",
            Formula.OURS_TO_PEER,
            ours[WARM_UP:],
            peer[WARM_UP:],
            samples_unit="s",
            beside={"haproxy_check_s": checks[WARM_UP:]},
            note=f"{SERVICES} services of {SERVERS}, each on an address of its own, all checked",
        )
    ]
