# SPDX-License-Identifier: Apache-2.0
"""What the import contracts cannot say: who may open which door, and what a start really loads.

The contracts in pyproject.toml read whole modules; here are the rules about single names (one
module starts programs, pure code makes paths but opens none) and about the running interpreter,
where a lazy import or a third party may undo what the source promises.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tree import ROOT, module, python_files

PRODUCT = ("console", "services", "image")
PURE = (
    *("services.model", "services.check", "services.render", "services.plan"),
    *("services.exchange", "services.health"),
)

DOORS: dict[str, tuple[str, ...]] = {
    "starlette": ("services.agent",),
    "uvicorn": ("services.agent",),
    "h11": ("services.transport", "services.agent"),
    "httpx": (),
    "jinja2": ("services.render",),
    "multiprocessing": (),
    "pty": (),
    "pyroute2": ("services.drivers",),
    "rich": ("console",),
    "subprocess": ("services.command",),
    "textual": ("console",),
    "typer": ("services.cli", "image.__main__"),
}
"""Outside thing → the only modules that may import it."""

STARTS_A_PROGRAM = frozenset(
    {"create_subprocess_exec", "create_subprocess_shell", "subprocess_exec", "subprocess_shell"}
    | {"fork", "forkpty", "popen", "posix_spawn", "posix_spawnp", "startfile", "system"}
    | {f"{kind}{how}" for kind in ("exec", "spawn") for how in ("l", "le", "lp", "lpe")}
    | {f"{kind}{how}" for kind in ("exec", "spawn") for how in ("v", "ve", "vp", "vpe")}
)

TOUCHES_THE_WORLD = frozenset({"open", "input", "print", "exec", "eval", "__import__"})
READS_A_CLOCK = frozenset({"now", "utcnow", "today", "monotonic", "perf_counter"})


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def inside(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("outside", sorted(DOORS))
def test_only_its_own_door_imports(outside: str) -> None:
    strangers = [
        f"{module(path)} imports {imported}"
        for path in python_files(*PRODUCT)
        for imported in imports(path)
        if inside(imported, (outside,)) and not inside(module(path), DOORS[outside])
    ]
    assert strangers == []


def test_programs_are_started_in_one_module() -> None:
    offences = [
        f"{module(path)}:{node.lineno} {node.attr}"
        for path in python_files(*PRODUCT)
        if module(path) != "services.command"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr in STARTS_A_PROGRAM
        and isinstance(node.value, ast.Name)
        and node.value.id in {"os", "asyncio", "subprocess", "loop", "posix"}
    ]
    assert offences == []


def test_pure_modules_make_paths_but_open_none() -> None:
    offences = [
        f"{module(path)} takes {alias.name} from pathlib"
        for path in python_files("services")
        if inside(module(path), PURE)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == "pathlib"
        for alias in node.names
        if not alias.name.startswith("Pure")
    ]
    offences += [
        f"{module(path)} imports pathlib whole"
        for path in python_files("services")
        if inside(module(path), PURE)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import) and any(a.name == "pathlib" for a in node.names)
    ]
    assert offences == []


def test_pure_modules_open_nothing_and_ask_no_clock() -> None:
    offences = []
    for path in python_files("services"):
        if not inside(module(path), PURE):
            continue
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.Call(func=ast.Name(id=called)) if called in TOUCHES_THE_WORLD:
                    offences.append(f"{module(path)}:{node.lineno} calls {called}()")
                case ast.Call(func=ast.Attribute(attr=called)) if called in READS_A_CLOCK:
                    offences.append(f"{module(path)}:{node.lineno} calls .{called}()")
    assert offences == []


def loaded_by(*modules: str) -> set[str]:
    """Import in a fresh interpreter, and name the top-level packages this has loaded."""
    program = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("start", "unwelcome"),
    [
        ("services.cli", {"textual", "starlette", "uvicorn", "pyroute2", "jinja2"}),
        ("services.client", {"textual", "starlette", "uvicorn", "pyroute2"}),
        ("services.agent.__main__", {"textual", "console", "psutil"}),
        # early at every start, and whatever needs the network waits for it
        ("services.nicnames.__main__", {"asyncio", "pydantic", "services.plan.planner"}),
        (
            "console.__main__",
            {"starlette", "uvicorn", "pyroute2", "jinja2", "psutil", "typer"},
        ),
    ],
)
def test_a_start_loads_nothing_of_its_neighbours(start: str, unwelcome: set[str]) -> None:
    loaded = loaded_by(start)
    assert loaded & unwelcome == set()


@pytest.mark.parametrize("pure", PURE)
def test_a_pure_module_loads_nothing_that_acts(pure: str) -> None:
    brought_by_libraries = loaded_by("pydantic.networks", "jinja2")
    loaded = loaded_by(pure, "pydantic.networks", "jinja2")
    acting = {"asyncio", "multiprocessing", "psutil", "pyroute2", "socket", "subprocess"}
    assert (loaded - brought_by_libraries) & acting == set()
