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
    marks = ("needs: what a test cannot do without", "peers", "image", "long")
    pytester.makeini("\n    ".join(("[pytest]\nmarkers =", *marks)))
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


def test_under_ci_a_skip_is_a_failure_in_a_process_that_shares_the_tests_too(
    machine: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    machine.makepyfile(RESTLESS)
    machine.makepyfile(test_file="import pytest\npytest.skip('no', allow_module_level=True)")
    words = ("-p", "tests.tiers", "-p", "xdist", "-p", "no:cacheprovider", "-n", "2")
    result = machine.runpytest_subprocess(*words)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines_random(
        ["*CI=true does not allow*the program no-such-program*", "*CI=true does not allow* no*"]
    )


MARKED = """
    import pytest

    def test_plain():
        pass

    @pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.peers)])
    def test_of_both_kinds(number):
        pass

    @pytest.mark.image
    @pytest.mark.long
    def test_of_a_machine():
        pass

    @pytest.mark.image
    @pytest.mark.peers
    def test_of_peers_in_an_image():
        pass
"""


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("quick", ["test_plain", "test_of_both_kinds[1]"]),
        ("peers", ["test_of_both_kinds[2]", "test_of_peers_in_an_image"]),
        ("machines", ["test_of_a_machine"]),
    ],
)
def test_each_test_belongs_to_one_part(
    machine: pytest.Pytester, part: str, names: list[str]
) -> None:
    machine.makepyfile(MARKED)
    told = machine.runpytest_inprocess(
        "-p", "tests.tiers", "-p", "no:cacheprovider", "--part", part, "--collect-only", "-q"
    )
    found = [line.partition("::")[2] for line in told.outlines if "::" in line]
    assert found == names


def test_a_part_without_the_tests_that_are_asked_for_says_so(machine: pytest.Pytester) -> None:
    machine.makepyfile(MARKED)
    words = ("-p", "tests.tiers", "-p", "no:cacheprovider", "--part", "peers", "-k", "plain")
    assert machine.runpytest_inprocess(*words).ret == pytest.ExitCode.NO_TESTS_COLLECTED


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
