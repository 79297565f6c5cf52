# SPDX-License-Identifier: Apache-2.0
"""Linters are tests, so there is one command to run and one place to read.

Each is a test of its own: a failure shows the tool's own words, and `pytest -k mypy` is enough
while one works on types.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree import ROOT, name, ours, python_files, shell_scripts

BIN = Path(sys.executable).parent

TOOLS: dict[str, tuple[str, ...]] = {
    "ruff-format": ("ruff", "format", "--check", "--diff", "."),
    "ruff-check": ("ruff", "check", "."),
    "mypy": ("mypy", "--no-error-summary"),
    "import-contracts": ("lint-imports", "--no-logo", "--cache-dir", "build/import-linter"),
    "codespell": ("codespell",),
}

MOST_LINES = 600
"""Past this a file is split: it is where screen, state and side effects have met."""

CODE = frozenset({".py", ".sh", ".tcss", ".j2", ".md", ".toml"})

# In pieces, so that this file does not contain what it forbids.
FORBIDDEN = tuple(
    a + b for a, b in (("TO", "DO"), ("FIX", "ME"), ("shell=", "True"), ("||", " true"))
)


def run(*argv: str) -> str:
    """Run a tool of the virtual environment; return what it said, empty when it was content."""
    done = subprocess.run(
        [str(BIN / argv[0]), *argv[1:]],
        check=False,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    return done.stdout or f"exit {done.returncode}" if done.returncode else ""


@pytest.mark.timeout(300)  # mypy without its cache, on a slow machine
@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_tool_is_content(tool: str) -> None:
    complaints = run(*TOOLS[tool])
    assert not complaints, complaints


def test_shellcheck_is_content() -> None:
    scripts = [name(path) for path in shell_scripts()]
    assert {".ci/run", ".ci/setup", ".ci/tests"} <= set(scripts)
    complaints = run("shellcheck", *scripts)
    assert not complaints, complaints


def test_every_shell_script_stops_at_the_first_error() -> None:
    careless = [name(path) for path in shell_scripts() if "\nset -eu" not in path.read_text()]
    assert careless == []


def test_every_source_file_names_its_licence() -> None:
    bare = [
        name(path)
        for path in (*python_files(), *shell_scripts(), ROOT / "Makefile")
        if "SPDX-License-Identifier: Apache-2.0" not in _head(path, lines=2)
    ]
    assert bare == []


def test_no_file_has_outgrown_its_reader() -> None:
    long = {name(path): count for path in _readable() if (count := _lines(path)) > MOST_LINES}
    assert long == {}


def test_no_file_puts_something_off_or_opens_a_shell() -> None:
    found = [
        f"{name(path)}:{number}: {word}"
        for path in (*_readable(), *shell_scripts(), ROOT / "Makefile")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for word in FORBIDDEN
        if word in line
    ]
    assert found == []


def test_nothing_is_left_unimplemented() -> None:
    word = "NotImplemented" + "Error"
    found = [name(p) for p in python_files("console", "services", "image") if word in p.read_text()]
    assert found == []


def _readable() -> list[Path]:
    return [path for path in ours() if path.suffix in CODE]


def _head(path: Path, *, lines: int) -> str:
    return "\n".join(path.read_text(encoding="utf-8").splitlines()[:lines])


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
