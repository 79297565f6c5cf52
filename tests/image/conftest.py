# SPDX-License-Identifier: Apache-2.0
"""The image is built once for all these tests, or taken from where an earlier build has kept it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from image.root import Built, build


@pytest.fixture(scope="session")
def built() -> Built:
    """The root file system of this tree, with its lists."""
    return asyncio.run(build())


@pytest.fixture(scope="session")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system as a folder; nobody changes it, see `tests.image.entered`."""
    from tests.image.entered import unpack

    folder = tmp_path_factory.mktemp("root")
    unpack(built.archive, folder)
    return folder
