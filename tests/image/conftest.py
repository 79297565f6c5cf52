# SPDX-License-Identifier: Apache-2.0
"""The image is built once for all these tests, or taken from where an earlier build has kept it.

Once also when several processes share the tests (`--numprocesses`): the first builds, the others
wait and take what it has made.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from image import recipe
from image.disk import assembly
from image.formats.products import make_raw
from image.medium import iso
from image.root import Built, build
from tests.shipped import unpack

BUILD_S = 1800
"""From an empty cache on a busy machine: the packages, the root file system, the disk."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first of these tests the time that the build takes; the longest files come first.

    By their folder: the tier's mark may come later. Two processes that share the long tests end at
    about the same time when the last ones are short: test_installer, test_boots.
    """
    here = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(here)]
    for item in ours:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(BUILD_S))
    late = [item for item in ours if item.get_closest_marker("long")]
    late.sort(key=lambda item: item.path.name, reverse=True)
    items[:] = [item for item in items if item not in late] + late


@dataclass(frozen=True)
class Appliance:
    """What a machine is switched on with."""

    disk: Path
    root: Path
    """The root.tar that the disk was made from."""


@pytest.fixture(scope="session")
def built() -> Built:
    """The root file system of this tree, with its lists."""
    return asyncio.run(build())


@pytest.fixture(scope="session")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system as a folder; nobody changes it, see `tests.image.entered`."""
    folder = tmp_path_factory.mktemp("root")
    unpack(built.archive, folder)
    return folder


@pytest.fixture(scope="session")
def appliance(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Appliance:
    """The disk, as the firmware sees it; nobody writes to it."""

    def make() -> Path:
        making = assembly.build(built.archive, recipe.PRODUCTS, boot_debs=built.boot_debs)
        return asyncio.run(making)

    return Appliance(_made_once("disk", make, tmp_path_factory), built.archive)


@pytest.fixture(scope="session")
def medium(built: Built, appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installer medium; nobody writes to it."""

    def make() -> Path:
        return asyncio.run(_medium(built, appliance, recipe.PRODUCTS))

    return _made_once("medium", make, tmp_path_factory)


def _made_once(name: str, make: Callable[[], Path], factory: pytest.TempPathFactory) -> Path:
    """What `make` makes, called by one of the processes that share the tests."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / f"{name}.made").open("a+") as told:
        fcntl.flock(told, fcntl.LOCK_EX)
        told.seek(0)
        if path := told.read():
            return Path(path)
        made = make()
        told.write(str(made))
        return made


@pytest.fixture
def medium_again(built: Built, appliance: Appliance, tmp_path: Path) -> Path:
    """The same once more, from the same inputs and in another place."""
    return asyncio.run(_medium(built, appliance, tmp_path))


async def _medium(built: Built, appliance: Appliance, products: Path) -> Path:
    image = await make_raw(appliance.disk, products)
    root = built.archive
    return await iso.make(appliance.disk, image, root, products, boot_debs=built.boot_debs)
