# SPDX-License-Identifier: Apache-2.0
"""The machine's figures are those that psutil finds, which reads the same files its own way."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from services.drivers.machine import Machine, machine, uptime_s

STAT = "cpu  100 20 30 800 40 5 5 0 50 10\ncpu0 1 2 3\nctxt 17\n"
MEMINFO = (
    "MemTotal:        2000 kB\nMemFree:   1 kB\nMemAvailable:    500 kB\nHugePages_Total:  0\n"
)
DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 999 9 0 0 0 0 0 0 999 9 0 0 0 0 0 0
  eth0: 1000 1 0 0 0 0 0 0 2000 1 0 0 0 0 0 0
  eth1:300 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    for name, text in (("stat", STAT), ("meminfo", MEMINFO), ("net/dev", DEV)):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_each_figure_is_read_from_its_place(proc: Path) -> None:
    found = machine(proc)
    assert (found.busy, found.ticks) == (160, 1000)
    assert found.memory_pct == pytest.approx(75)
    assert (found.bytes_in, found.bytes_out) == (1300, 2040)


def _at(busy: int, ticks: int) -> Machine:
    return Machine(at=0, busy=busy, ticks=ticks, memory_pct=0, bytes_in=0, bytes_out=0)


@pytest.mark.parametrize(
    ("before", "now", "pct"),
    [
        (_at(160, 1000), _at(210, 1100), 50),
        (_at(160, 1000), _at(160, 1000), 0),
        # iowait may run backwards (proc_stat(5))
        (_at(160, 1000), _at(159, 1001), 0),
        (_at(160, 1000), _at(170, 1005), 100),
    ],
)
def test_the_processors_are_as_busy_as_they_were_in_between(
    before: Machine, now: Machine, pct: float
) -> None:
    assert now.cpu_pct(before) == pytest.approx(pct)


def test_this_machine_is_found_as_psutil_finds_it() -> None:
    found, theirs = machine(), psutil.cpu_times()
    spent = sum(getattr(theirs, name) for name in ("user", "nice", "system", "irq", "softirq"))
    assert found.busy / 100 == pytest.approx(spent + theirs.steal, rel=0.01, abs=1)
    assert found.memory_pct == pytest.approx(psutil.virtual_memory().percent, abs=3)
    assert uptime_s() > 0
