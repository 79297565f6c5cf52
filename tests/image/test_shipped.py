# SPDX-License-Identifier: Apache-2.0
"""What passes with a developer's Python and daemons passes with those that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from image.root import Built
from tests.netns import inside
from tests.shipped import TREE, carry, pytest_inside, unpack

PEERS_S = 1500
AS_IT_IS = ("console", "overlays")
"""What tests of the peers tier read beside the rest of the tree."""


# They are timed as they are anywhere, so no emulated machine may run beside them.
@pytest.mark.peers
@pytest.mark.long
@pytest.mark.needs("curl", "tmux")
@pytest.mark.timeout(PEERS_S + 300)
def test_the_peers_tier_passes_in_the_appliances_own_root(built: Built, tmp_path: Path) -> None:
    root = tmp_path / "root"
    unpack(built.archive, root)
    carry(root, (*TREE, *AS_IT_IS))
    status, said = inside(_peers, root, timeout_s=PEERS_S + 60)
    assert status == 0, said


def _peers(root: Path) -> tuple[int, str]:
    return pytest_inside(root, "tests/peers", timeout_s=PEERS_S)
