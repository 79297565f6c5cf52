# SPDX-License-Identifier: Apache-2.0
"""The folder from which the elements take everything: packages, accounts, overlays, wheels.

The elements decide nothing, so what they copy must already be as it will lie in the image: modes
come from here and not from the checkout, whose umask is its owner's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from image import accounts, recipe
from image.manifest import Wheel
from image.wheels import requirements

FOLDER = 0o755
PROGRAM = 0o755
FILE = 0o644
NOT_FILES = frozenset({"README.md", ".gitkeep"})
"""At the top of an overlay these speak to the reader of the tree."""


def overlays(tree: Path, stage: Path, *, modes: Mapping[str, int]) -> None:
    """Copy every overlay to `stage/overlays`; `modes` are the recipe's, by name in the image."""
    for overlay in sorted(each for each in (tree / "overlays").iterdir() if each.is_dir()):
        target = stage / "overlays" / overlay.name
        target.mkdir(parents=True)
        for path in sorted(overlay.rglob("*")):
            name = path.relative_to(overlay)
            if str(name) in NOT_FILES:
                continue
            copy = target / name
            if path.is_symlink():
                copy.symlink_to(path.readlink())
            elif path.is_dir():
                copy.mkdir()
                copy.chmod(modes.get(str(name), FOLDER))
            else:
                shutil.copyfile(path, copy)
                mode = PROGRAM if path.stat().st_mode & 0o100 else FILE
                copy.chmod(modes.get(str(name), mode))


def identity(stage: Path) -> None:
    """Whose system it is (os-release(5)): Ballast's, made of Debian."""
    folder = stage / "overlays" / "identity" / "usr" / "lib"
    folder.mkdir(parents=True)
    version = recipe.version()
    facts = {
        "NAME": "Ballast",
        "ID": recipe.NAME,
        "ID_LIKE": "debian",
        "VERSION": f"{version} (Debian {recipe.DEBIAN})",
        "VERSION_ID": version,
        "VERSION_CODENAME": recipe.SUITE,
        "PRETTY_NAME": f"Ballast {version}",
        "IMAGE_ID": recipe.NAME,
        "IMAGE_VERSION": version,
    }
    text = "".join(f'{name}="{value}"\n' for name, value in facts.items())
    (folder / "os-release").write_text(text)


def people(stage: Path) -> None:
    """The files of `image.accounts`."""
    folder = stage / "accounts"
    folder.mkdir()
    folder.chmod(0o700)
    for name, text in accounts.files().items():
        (folder / name).write_text(text)


def wheels(chosen: Iterable[Wheel], wheelhouse: Path, product: Path, stage: Path) -> None:
    """The locked wheels, Ballast's own, and the list by which pip installs them all."""
    folder = stage / "wheels"
    folder.mkdir()
    for wheel in chosen:
        shutil.copy(wheelhouse / wheel.file, folder)
    shutil.copy(product, folder)
    (folder / "requirements.txt").write_text(requirements(recipe.TREE, product))
