# SPDX-License-Identifier: Apache-2.0
"""What every test may rely on; the rules of the tiers are in tests/tiers.py."""

from __future__ import annotations

import pytest

from tests.environment import leaks


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back what an earlier import or fixture put into the environment."""
    for name in leaks():
        monkeypatch.delenv(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Golden files are written anew on request, to be read before they are committed."""
    parser.addoption(
        "--update-goldens", action="store_true", help="write golden files anew; read the diff"
    )
    parser.addoption(
        "--renew-pictures", action="store_true", help="write the pictures of screens anew"
    )
    parser.addoption(
        "--root-archive", help="the kernel tier's root.tar; this tree's own is built without it"
    )


@pytest.fixture
def renew(request: pytest.FixtureRequest) -> bool:
    """Whether pictures are written instead of compared."""
    return bool(request.config.getoption("--renew-pictures"))
