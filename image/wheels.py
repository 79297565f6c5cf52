# SPDX-License-Identifier: Apache-2.0
"""Python packages for the image's interpreter, from the lock, and Ballast's own wheel.

pip of the building machine fetches them with that machine's settings, because inside the image
there is no network and no setting. The hashes of the lock decide, not the place they came from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from image import recipe
from image.manifest import Wheel, pin_of
from image.packages import network_environment
from services.command import run
from services.errors import Unable

FETCH_S = 900.0
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""What Debian's C library runs; wheels of a newer kind than these are not needed."""
INSTALLER = "pip"
"""Installs the others inside the image and is not installed itself."""
PARTS = ("console", "services")
"""The packages of the project that run on an appliance; how it is made stays behind."""

_DO = (
    "Look whether `pip download` works on this machine, with its own index and settings; the "
    "versions and hashes stand in requirements.lock."
)


def pip_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What pip of this machine is told by its environment, the way to its settings included."""
    kept = {name: value for name, value in environment.items() if name.startswith("PIP_")}
    kept["HOME"] = environment.get("HOME", "/root")
    return kept | network_environment(environment)


async def fetch(tree: Path, wheels: Path) -> tuple[Wheel, ...]:
    """Bring the locked wheels and the installer's into `wheels`; which files these are.

    Raises `Unable` when one cannot be had for the image's Python.
    """
    wheels.mkdir(parents=True, exist_ok=True)
    wanted = wheels / "wanted.txt"
    lock = (tree / "requirements.lock").read_text(encoding="utf-8")
    tools = (tree / "requirements-dev.lock").read_text(encoding="utf-8")
    wanted.write_text(f"{lock}\n{pin_of(tools, INSTALLER)}", encoding="utf-8")
    fresh = wheels / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    argv += ["--dest", str(fresh), "--find-links", str(wheels), "--no-deps"]
    argv += ["--only-binary", ":all:", "--implementation", "cp"]
    argv += ["--python-version", recipe.PYTHON]
    argv += [word for platform in PLATFORMS for word in ("--platform", platform)]
    argv += ["--require-hashes", "--requirement", str(wanted)]
    await run(argv, timeout_s=FETCH_S, env=pip_environment(), do=_DO)
    found = []
    for path in sorted(fresh.glob("*.whl")):
        found.append(Wheel(path.name, digest(path)))
        path.replace(wheels / path.name)
    shutil.rmtree(fresh)
    return tuple(found)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def whole(chosen: tuple[Wheel, ...], wheels: Path) -> None:
    """Raise `Unable` unless every wheel of a manifest lies in `wheels` as it was."""
    for wheel in chosen:
        path = wheels / wheel.file
        if not path.is_file() or digest(path) != wheel.sha256:
            raise Unable(
                f"{wheel.file} is not in {wheels} with the hash of the manifest.",
                do=f"Put that file there, then build again. {_DO}",
            )


async def own(tree: Path, folder: Path, *, epoch: int) -> Path:
    """Make the wheel of Ballast itself in `folder`; the same tree gives the same bytes."""
    copy = folder / "tree"
    for part in PARTS:
        shutil.copytree(
            tree / part,
            copy / part,
            ignore=shutil.ignore_patterns("__pycache__", "elements", "*.pyc"),
        )
    for single in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(tree / single, copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    argv += ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(copy)]
    env = {"SOURCE_DATE_EPOCH": str(epoch), "HOME": str(folder), "PIP_NO_CACHE_DIR": "1"}
    await run(argv, timeout_s=FETCH_S, env=env, do="Look whether `make lint` is content.")
    shutil.rmtree(copy)
    (made,) = folder.glob(f"{recipe.NAME}-*.whl")
    return made


def requirements(tree: Path, made: Path) -> str:
    """What pip installs in the image: the lock, and the wheel just made by its hash."""
    lock = (tree / "requirements.lock").read_text(encoding="utf-8")
    return f"{lock}\n{recipe.NAME}=={recipe.version()} --hash=sha256:{digest(made)}\n"
