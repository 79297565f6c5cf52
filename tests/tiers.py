# SPDX-License-Identifier: Apache-2.0
"""Tiers of tests: a folder below tests/ is a tier and knows its needs; no skip is silent.

A test whose needs are missing skips and names them, so that `make test` is useful on any machine.
In continuous integration (`CI=true`) nobody reads the reasons, so there every skip is a failure.
A plugin apart from conftest.py, in order that it can be tested as what it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

TIER_NEEDS: dict[str, tuple[str, ...]] = {
    "console": (),
    "peers": ("root", "netns", "ip", "haproxy", "curl", "kill", "sysctl"),
    "kernel": ("root", "qemu-system-x86_64", "mke2fs", "chroot"),
    "image": ("root", "netns", "ip", "qemu-system-x86_64", "ping", "ssh"),
    "bench": ("root", "netns", "ip", "haproxy", "wrk", "tmux", "ldirectord"),
}
"""The folders that are tiers, cheapest first: that is also the order in which they run."""

PARTS: dict[str, frozenset[str]] = {
    "peers": frozenset({"peers", "bench"}),
    "machines": frozenset({"kernel", "image"}),
    "quick": frozenset(),
}
"""What `make test` runs in turn, by the marks of the tests: the first that fits, or else quick."""

TESTS = Path(__file__).resolve().parent


def _may_unshare(kind: str) -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    tried = subprocess.run([unshare, kind, "true"], check=False, capture_output=True, timeout=10)
    return tried.returncode == 0


CAPABILITIES: dict[str, tuple[Callable[[], bool], str]] = {
    "root": (lambda: os.geteuid() == 0, "root"),
    "userns": (lambda: _may_unshare("--user"), "user namespaces (unshare --user)"),
    "netns": (lambda: _may_unshare("--net"), "network namespaces (unshare --net)"),
}


@cache
def missing(need: str) -> str | None:
    """Say in words what is missing, or None; `need` names a capability or a program."""
    if need in CAPABILITIES:
        present, words = CAPABILITIES[need]
        return None if present() else words
    return None if shutil.which(need) else f"the program {need}"


def under_ci() -> bool:
    """Tell whether a skip is a failure."""
    return os.environ.get("CI") == "true"


def tier_of(path: Path) -> str | None:
    """Name the tier a test file belongs to; None is the first tier, which needs nothing."""
    if not path.is_relative_to(TESTS):
        return None
    first = path.relative_to(TESTS).parts[0]
    return first if first in TIER_NEEDS else None


def part_of(item: pytest.Item) -> str:
    """Name the part of `make test` that a test is run in: exactly one."""
    marks = {mark.name for mark in item.iter_markers()}
    return next((part for part, tiers in PARTS.items() if marks & tiers), "quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    """A part is chosen beside whatever else is chosen by `-m`, `-k` or a path."""
    parser.addoption("--part", choices=sorted(PARTS), help="run only this part of `make test`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its tier and put the quick tiers first, so that a mistake shows early."""
    order: dict[str | None, int] = {None: 0}
    order |= {tier: rank for rank, tier in enumerate(TIER_NEEDS, start=1)}
    for item in items:
        if tier := tier_of(item.path):
            item.add_marker(tier)
    items.sort(key=lambda item: order[tier_of(item.path)])
    if part := config.getoption("--part"):
        config.hook.pytest_deselected(items=[item for item in items if part_of(item) != part])
        items[:] = [item for item in items if part_of(item) == part]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tier or whose own `needs` mark names something this machine lacks."""
    needs = [
        n for tier, names in TIER_NEEDS.items() if item.get_closest_marker(tier) for n in names
    ]
    for mark in item.iter_markers("needs"):
        needs.extend(mark.args)
    lacking = sorted({words for need in needs if (words := missing(need))})
    if lacking:
        pytest.skip(f"this machine lacks {', '.join(lacking)}")


def _fail_when_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not (under_ci() and report.outcome == "skipped") or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: skipped, which CI=true does not allow. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a test's skip into a failure under CI."""
    report = yield
    _fail_when_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, pytest.CollectReport]:
    """Turn a whole file's skip into a failure under CI."""
    report: pytest.CollectReport = yield
    _fail_when_skipped(report)
    return report
