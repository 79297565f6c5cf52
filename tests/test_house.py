# SPDX-License-Identifier: Apache-2.0
"""What the house promises: honest locks, a set-up that speaks, folders that explain themselves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.tree import FOLDERS, ROOT, name

LOCKS = ("requirements.lock", "requirements-dev.lock")


def pins(lock: str) -> dict[str, str]:
    """Name → version; a line that is no pin, no hash and no comment is a mistake."""
    found = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.lstrip().startswith(("#", "--hash=sha256:")):
            continue
        pin = re.fullmatch(r"([a-z0-9][a-z0-9.-]*)==([^\s;]+)( ; .*)? \\", line)
        assert pin, f"{lock}: {line}"
        found[pin[1]] = pin[2]
    return found


def verbs() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_says_what_lives_in_it_and_what_never_does(folder: str) -> None:
    words = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    assert words.startswith(f"# {folder}/\n")
    assert "Never" in words


def test_the_readme_names_every_verb_of_the_makefile() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {verb for verb in verbs() - {"help"} if f"make {verb}" not in readme} == set()


def test_make_alone_lists_every_verb() -> None:
    said = subprocess.run(
        ["make", "--no-print-directory"], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert {line.split()[1] for line in said.splitlines()} == verbs()


def test_every_command_of_the_project_can_be_loaded() -> None:
    commands = {each.name: each for each in entry_points(group="console_scripts")}
    for command in ("ballast", "ballast-agent", "ballast-console"):
        assert callable(commands[command].load())


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_packages_and_hashes_and_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert len(pins(lock)) > 20
    assert text.count("--hash=sha256:") >= len(pins(lock))
    assert "://" not in text
    assert "/" not in re.sub(r"(?m)#.*$", "", text)


def test_what_ships_is_what_was_tested() -> None:
    shipped, tested = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {pin: v for pin, v in shipped.items() if tested.get(pin) != v} == {}
    assert {"pytest", "mypy", "pip-tools"}.isdisjoint(shipped)


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[<>=~!;\[ ]", line, maxsplit=1)[0] for line in project["dependencies"]}
    assert asked <= set(pins("requirements.lock"))
    assert "textual==8.2.8" in project["dependencies"]


def test_installed_packages_fit_each_other_on_this_python() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "check"], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_the_wheel_carries_templates_and_styles_and_no_test(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for single in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / single, tree)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [
            *pip,
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            str(tmp_path),
            str(tree),
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("ballast-*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    needed = [
        p for s in ("*.j2", "*.tcss") for f in ("console", "services") for p in (ROOT / f).rglob(s)
    ]
    assert {name(path) for path in needed} - carried == set()
    assert {each for each in carried if each.startswith("tests/")} == set()


@pytest.fixture
def bare_tree(tmp_path: Path) -> Path:
    """A tree with the set-up in it and nothing to set up."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "setup", tmp_path / ".ci")
    (tmp_path / ".ci" / "packages").write_text("")
    return tmp_path


def set_up(
    tree: Path, verb: str, *, python: str = sys.executable, user: int | None = None
) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", str(tree / ".ci" / "setup"), verb],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "PYTHON": python},
        user=user,
    )
    return done.returncode, done.stderr


@contextmanager
def open_to_nobody(bare_tree: Path) -> Iterator[tuple[Path, int | None]]:
    """A copy an ordinary account can read, and that account where this one is root."""
    with tempfile.TemporaryDirectory() as place:  # pytest's own folder is closed to others
        tree = shutil.copytree(bare_tree, Path(place) / "tree")
        Path(place).chmod(0o755)
        tree.chmod(0o755)
        yield tree, 65534 if os.geteuid() == 0 else None


def test_an_old_python_is_refused_with_the_remedy(bare_tree: Path) -> None:
    old = bare_tree / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2"\nexit 1\n')
    old.chmod(0o755)
    status, said = set_up(bare_tree, "run", python=str(old))
    assert status == 3
    assert "is Python 3.9.2, and Ballast needs Python 3.11 or newer" in said
    assert "make run PYTHON=" in said


def test_a_python_that_is_not_there_is_named_and_nothing_is_installed(bare_tree: Path) -> None:
    (bare_tree / ".ci" / "packages").write_text("python3 python3 all\n")
    status, said = set_up(bare_tree, "run", python="python3.99")
    assert status == 3
    assert said.startswith("There is no program python3.99 here, and PYTHON asks for it.\n")
    assert "make run without PYTHON=" in said


def test_a_chosen_python_misses_its_own_packages(bare_tree: Path) -> None:
    chosen = bare_tree / "python3.13"
    chosen.write_text('#!/bin/sh\ncase "$2" in *no_such*) exit 1 ;; esac\n')
    chosen.chmod(0o755)
    with open_to_nobody(bare_tree) as (tree, nobody):
        (tree / ".ci" / "packages").write_text("python:no_such python3-venv all\n")
        status, said = set_up(tree, "run", python=str(tree / "python3.13"), user=nobody)
    assert status == 3
    assert "make run needs packages that are not there: python3.13-venv\n" in said


@pytest.mark.needs("root")
def test_a_folder_of_somebody_else_is_refused_with_the_remedy(bare_tree: Path) -> None:
    python = bare_tree / "python"
    python.write_text(PRETENDED_PYTHON)
    python.chmod(0o755)
    (bare_tree / "requirements-dev.lock").write_text("one")
    with open_to_nobody(bare_tree) as (tree, nobody):
        status, said = set_up(tree, "run", python=str(tree / "python"), user=nobody)
        assert not (tree / ".venv").exists()
    assert status == 3
    assert f"may not write into {tree}, where .venv has to be made." in said
    assert f"git clone {tree} " in said


def test_without_root_missing_packages_are_named_with_the_line_to_type(bare_tree: Path) -> None:
    (bare_tree / ".ci" / "packages").write_text(
        "# a comment\nno-such-proxy proxy-package run bench\nno-such-load load-package bench\n"
    )
    python = bare_tree / "python"  # the one that runs this test may be closed to others
    python.write_text(PRETENDED_PYTHON)
    python.chmod(0o755)
    with open_to_nobody(bare_tree) as (tree, nobody):
        status, said = set_up(tree, "run", python=str(tree / "python"), user=nobody)
    assert status == 3
    assert "make run needs packages that are not there: proxy-package\n" in said
    assert "apt-get install --no-install-recommends proxy-package load-package\n" in said


PRETENDED_PYTHON = """#!/bin/sh
# Notes what it is asked to install, and makes environments out of itself.
case "$*" in
    -V) echo "Python 3.13.5" ;;
    "-m venv --clear"*)
        echo venv >>asked
        rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip"*) echo "$*" | grep -o -e --require-hashes -e --editable >>asked ;;
esac
"""


def test_the_set_up_does_again_only_what_has_changed(bare_tree: Path) -> None:
    python = bare_tree / "python"
    python.write_text(PRETENDED_PYTHON)
    python.chmod(0o755)
    lock, project = bare_tree / "requirements-dev.lock", bare_tree / "pyproject.toml"
    lock.write_text("one")
    project.write_text("one")
    asked = bare_tree / "asked"

    def asked_for() -> list[str]:
        asked.write_text("")
        status, said = set_up(bare_tree, "test", python=str(python))
        assert status == 0, said
        return asked.read_text().split()

    assert asked_for() == ["venv", "--require-hashes", "--editable"]
    assert asked_for() == []
    lock.write_text("two")
    assert asked_for() == ["--require-hashes"]
    project.write_text("two")
    assert asked_for() == ["--editable"]
    python.write_text(PRETENDED_PYTHON.replace("3.13.5", "3.14.0"))
    assert asked_for() == ["venv", "--require-hashes", "--editable"]


def test_ci_runs_what_a_newcomer_runs() -> None:
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
