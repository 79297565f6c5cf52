# SPDX-License-Identifier: Apache-2.0
"""The files that are ours, found by walking: a source archive without git is judged as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("console", "services", "image", "overlays", "tests")
MADE_BY_TOOLS = frozenset({"__pycache__", "__snapshots__", ".hypothesis"})


def ours() -> Iterator[Path]:
    """Every file of the project: the single files, the folder of CI, the six folders."""
    yield from sorted(path for path in ROOT.iterdir() if path.is_file())
    for folder in (".ci", *FOLDERS):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not MADE_BY_TOOLS.intersection(path.parts):
                yield path


def python_files(*folders: str) -> list[Path]:
    """The Python files below the given folders, or below all six."""
    under = tuple(ROOT / folder for folder in folders or FOLDERS)
    return [p for p in ours() if p.suffix == ".py" and any(p.is_relative_to(f) for f in under)]


def shell_scripts() -> list[Path]:
    """Shell scripts by their first line: those of CI and of image elements have no suffix."""
    return [path for path in ours() if path.suffix == ".sh" or _starts_a_shell(path)]


def _starts_a_shell(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and first.split()[-1].endswith((b"/sh", b"bash"))


def name(path: Path) -> str:
    """The path as people write it: from the root of the tree."""
    return path.relative_to(ROOT).as_posix()


def module(path: Path) -> str:
    """The dotted name under which a Python file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
