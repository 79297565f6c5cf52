# SPDX-License-Identifier: Apache-2.0
"""Tests in `guest/` are collected here, run in the guest, and reported as if they had run here.

So they are chosen as any tests (`-k`, a file, a name), and one boot serves all that were.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.errors import ApplianceError
from tests.kernel.machine import Guest, GuestSilent
from tests.tiers import TIER_NEEDS, missing

GUEST = Path(__file__).parent / "guest"
CHOSEN = "chosen"
PYTEST = (
    *("-m", "pytest", "-c", "tests/kernel/guest.ini", "--rootdir=/ballast-tests"),
    f"@{CHOSEN}",
)


def _is_guests(item: pytest.Item) -> bool:
    return item.path.is_relative_to(GUEST) and not item.config.pluginmanager.hasplugin("teller")


class Host:
    """Starts the guest at the first test that needs it, and hands its reports on."""

    def __init__(self, factory: pytest.TempPathFactory, archive: str | None) -> None:
        self._factory = factory
        self._archive = Path(archive) if archive else None
        self._guest: Guest | None = None
        self._trouble = ""
        self._early: dict[str, list[dict[str, Any]]] = {}
        self._missing: set[str] = set()

    def reports(self, item: pytest.Item) -> list[pytest.TestReport]:
        """The reports of one test; once the guest has failed, a failure that says how."""
        try:
            if self._guest is None and not self._trouble:
                chosen = [each.nodeid for each in item.session.items if _is_guests(each)]
                self._guest = Guest(
                    self._factory.mktemp("guest"),
                    self._archive,
                    PYTEST,
                    files={CHOSEN: "".join(f"{nodeid}\n" for nodeid in chosen)},
                )
                self._missing = set(chosen)
            found = [self._restored(item, data) for data in self._of(item.nodeid)]
            self._missing.discard(item.nodeid)
            if not self._missing:
                self.close()  # others wait for their turn, and tiers that take an hour may follow
            return found
        except (GuestSilent, ApplianceError, OSError) as error:
            self._trouble = self._trouble or str(error)
            return [
                pytest.TestReport(
                    nodeid=item.nodeid,
                    location=item.location,
                    keywords={},
                    outcome="failed",
                    longrepr=self._trouble,
                    when="call",
                )
            ]

    def close(self) -> None:
        """End the guest."""
        if self._guest is not None:
            self._guest.close()

    def _of(self, nodeid: str) -> list[dict[str, Any]]:
        """What the guest reports of a test: its set-up, its call, its taking down."""
        if self._trouble or self._guest is None:
            raise GuestSilent(self._trouble)
        found = self._early.pop(nodeid, [])
        while not found or found[-1]["when"] != "teardown":
            data = self._guest.next_report()
            if data["$report_type"] != "TestReport":
                raise GuestSilent(f"The guest cannot read its tests:\n{data['longrepr']}")
            if data["nodeid"] == nodeid:
                found.append(data)
            else:
                self._early.setdefault(data["nodeid"], []).append(data)
        return found

    @staticmethod
    def _restored(item: pytest.Item, data: dict[str, Any]) -> pytest.TestReport:
        report: pytest.TestReport = item.config.hook.pytest_report_from_serializable(
            config=item.config, data=data
        )
        return report


HOST = pytest.StashKey[Host]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of the guest has the guest's limits of time, not the host's.

    With the first one the guest begins, and then goes on by itself: while tests of the image wait
    for a machine of their own, the others run already, and are reported at the end.
    """
    guests = [item for item in items if _is_guests(item)]
    for item in guests:
        item.add_marker(pytest.mark.timeout(0))
    late = dict.fromkeys(guests[1:])
    items[:] = [*(item for item in items if item not in late), *late]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """In the place of running a test here, report what it did in the guest."""
    if not _is_guests(item) or any(missing(need) for need in TIER_NEEDS["kernel"]):
        return None  # skipped with its reason, or really run here
    host = item.session.stash.get(HOST, None)
    if host is None:
        factory = item.config._tmp_path_factory  # type: ignore[attr-defined]
        archive = item.config.getoption("--root-archive")
        host = item.session.stash[HOST] = Host(factory, archive)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in host.reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Cut the guest's power."""
    host = session.stash.get(HOST, None)
    if host is not None:
        host.close()
