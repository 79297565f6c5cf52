# SPDX-License-Identifier: Apache-2.0
"""l7.reload.failed: 20 applies that reload, under as many new connections as go through.

A load that cannot lose anything proves nothing. So the same load then meets 20 stops and
starts of the same HAProxy with the same file, and unless that fails at least
`CONTROL_FAILS` connections the result is void; so it is below `CONNECTIONS` new
connections, or when the client's kernel and wrk do not agree on how many there were.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.door import Door
from tests.bench.fleets import at, fleet, with_limit
from tests.bench.haproxy import Silent, master_pid, settled, worker_pid
from tests.bench.load import Load, Outcome
from tests.bench.origin import Origin
from tests.bench.results import Formula, Result
from tests.lab import Lab
from tests.lab.control import ROOT
from tests.lab.layout import VIP

RELOADS = 20
CONNECTIONS = 100_000
CONTROL_FAILS = 100
SERVERS = 3
LONGEST_S = 150
"""For each of the two loads."""
PAUSE_S = 0.5
"""Between two restarts: as long as an apply is under way, about."""


def measure() -> Sequence[Result]:
    """First the applies, then the control."""
    with Lab(1, spares=0) as lab:
        origin = Origin(lab)
        lab.start_agent(first=at(fleet(1, SERVERS), VIP))
        with Door(lab.socket) as door:
            document = door.get("/document")["document"]
        before = origin.requests
        applied, workers = applies(lab, document)
        answered = origin.requests - before
        control = restarts(lab)
    return [judged(applied, control, workers=workers, answered=answered)]


def judged(applied: Outcome, control: Outcome, *, workers: int, answered: int) -> Result:
    """The result of both loads; `answered` is what the real servers counted."""
    doubts = [
        (control.failed < CONTROL_FAILS, f"the control failed only {control.failed}"),
        (applied.opened < CONNECTIONS, f"only {applied.opened} connections were opened"),
        (not (applied.adds_up and control.adds_up), "kernel and wrk disagree on connections"),
        (applied.answers > answered, f"the servers gave only {answered} answers"),
        (workers < RELOADS + 1, f"only {workers} workers were seen"),
    ]
    return Result(
        "l7.reload.failed",
        Formula.SUM,
        list(applied.errors.values()),
        list(control.errors.values()),
        beside={
            "reloads": RELOADS,
            "applies": applied.figures(),
            "control": control.figures(),
            "answers_of_servers": answered,
        },
        void="; ".join(words for doubt, words in doubts if doubt),
        note=(
            f"{RELOADS} times `ballast apply`, {applied.opened} new connections at "
            f"{applied.opened / applied.seconds:.0f} per second, p99 {applied.p99_ms:.0f} ms; "
            f"the control failed {control.failed} of {control.opened}. "
            f"A sample is a kind of failure: {', '.join(applied.errors)}"
        ),
    )


def applies(lab: Lab, document: Mapping[str, Any]) -> tuple[Outcome, int]:
    """The load during the applies, spread over it; also how many workers have served."""
    admin, _ = sockets(lab)
    workers = {worker_pid(admin)}
    file = lab.folder / "change.json"
    with Load(lab, f"http://{VIP}/") as load:
        give_up_at = time.monotonic() + LONGEST_S
        for turn in range(RELOADS):
            await_share(load, CONNECTIONS * turn // RELOADS, give_up_at)
            file.write_text(json.dumps(with_limit(dict(document), 0, 30_000 + turn)))
            apply_by_command(lab, file)
            workers.add(worker_pid(admin))
        await_share(load, CONNECTIONS + 1000, give_up_at)
        return load.stop(), len(workers)


def apply_by_command(lab: Lab, file: Path) -> None:
    """`ballast apply FILE`, as somebody on the appliance types it."""
    argv = [str(Path(sys.executable).with_name("ballast")), "--socket", str(lab.socket)]
    done = subprocess.run(
        [*argv, "apply", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"ballast apply ended with {done.returncode}: {done.stderr}")


def await_share(load: Load, opened: int, give_up_at: float) -> None:
    """Wait until the load has opened so many connections, or time is up."""
    while load.opened < opened and time.monotonic() < give_up_at:
        time.sleep(0.05)


def restarts(lab: Lab) -> Outcome:
    """The same load and file, but HAProxy is stopped and started again."""
    admin, master = sockets(lab)
    settled(master)
    argv = argv_without_reload(argv_of(lab.control.host_pid(master_pid(master))))
    lab.agent.stop()
    log = lab.folder / "log" / "control.log"
    with Load(lab, f"http://{VIP}/") as load:
        for _ in range(RELOADS):
            time.sleep(PAUSE_S)
            stop(lab, master)
            lab.appliance.spawn(argv, log=log)
            await_worker(admin)
        time.sleep(PAUSE_S)
        return load.stop()


def sockets(lab: Lab) -> tuple[Path, Path]:
    """The worker's socket and the master's."""
    folder = lab.folder / "run" / "haproxy"
    return folder / "admin.sock", folder / "master.sock"


def argv_of(host_pid: int) -> list[str]:
    """How a process was started."""
    return Path(f"/proc/{host_pid}/cmdline").read_bytes().decode().split("\0")[:-1]


def argv_without_reload(argv: Sequence[str]) -> list[str]:
    """A master that has reloaded carries its old workers with it: `-sf PID ... -x SOCKET`."""
    ends = [argv.index(word) for word in ("-sf", "-x") if word in argv]
    return list(argv[: min(ends, default=len(argv))])


def stop(lab: Lab, master: Path) -> None:
    """End HAProxy as a service manager does, and wait until it is gone."""
    host_pid = lab.control.host_pid(master_pid(master))
    os.kill(host_pid, signal.SIGTERM)
    give_up_at = time.monotonic() + 10
    while Path(f"/proc/{host_pid}").exists():
        if time.monotonic() > give_up_at:
            raise RuntimeError("HAProxy does not end")
        time.sleep(0.002)


def await_worker(admin: Path) -> None:
    """Wait until a worker answers."""
    give_up_at = time.monotonic() + 10
    while True:
        try:
            worker_pid(admin)
            return
        except Silent:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.005)
