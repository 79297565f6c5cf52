# SPDX-License-Identifier: Apache-2.0
"""A laptop may skip, continuous integration may not: else a machine without HAProxy looks green."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiers
from tests.tree import ROOT

RESTLESS = """
    import pytest

    @pytest.mark.needs("no-such-program")
    def test_that_lacks_something():
        raise AssertionError("must not run")

    def test_that_lacks_nothing():
        pass
"""


@pytest.fixture
def machine(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nmarkers =\n    needs: what a test cannot do without\n")
    return pytester


def run(machine: pytest.Pytester) -> pytest.RunResult:
    return machine.runpytest_inprocess("-p", "tests.tiers", "-p", "no:cacheprovider", "-rs")


def test_a_missing_program_skips_and_is_named(machine: pytest.Pytester) -> None:
    machine.makepyfile(RESTLESS)
    result = run(machine)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*this machine lacks the program no-such-program*"])


def test_under_ci_the_same_skip_is_a_failure_that_names_the_need(
    machine: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    machine.makepyfile(RESTLESS)
    result = run(machine)
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*CI=true does not allow*the program no-such-program*"])


def test_under_ci_a_file_that_skips_itself_is_a_failure(
    machine: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    machine.makepyfile("import pytest\npytest.skip('not today', allow_module_level=True)")
    result = run(machine)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*CI=true does not allow*not today*"])


def test_under_ci_an_expected_failure_stays_one(
    machine: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    machine.makepyfile("import pytest\n@pytest.mark.xfail\ndef test_known():\n    assert 1 == 2")
    run(machine).assert_outcomes(xfailed=1)


@pytest.mark.parametrize(
    ("file", "tier"),
    [
        ("test_linters.py", None),
        ("peers/test_reload.py", "peers"),
        ("console/forms/test_vip.py", "console"),
        ("unit/test_check.py", None),
    ],
)
def test_a_folder_is_a_tier(file: str, tier: str | None) -> None:
    assert tiers.tier_of(tiers.TESTS / file) == tier


def test_a_file_elsewhere_has_no_tier(tmp_path: Path) -> None:
    assert tiers.tier_of(tmp_path / "peers" / "test_x.py") is None


def test_no_variable_of_the_person_who_runs_the_tests_reaches_them(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTUAL_THEME", "gruvbox")
    monkeypatch.setenv("BALLAST_SOCKET", "/nowhere")
    pytester.makepyfile("""
        import os
        import textual.constants

        def test_inside():
            assert textual.constants.DEFAULT_THEME == "textual-dark"
            assert "BALLAST_SOCKET" not in os.environ
    """)
    pytester.runpytest_subprocess("-p", "tests.environment").assert_outcomes(passed=1)


def test_an_ordinary_accounts_path_finds_the_daemons_too() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import os, tests.environment; print(os.environ['PATH'])"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout
    assert told == "/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n"
