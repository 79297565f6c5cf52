# SPDX-License-Identifier: Apache-2.0
"""The file of a change that waits to be confirmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.agent import window
from services.agent.window import WindowFile
from services.model import Document


def test_an_open_window_is_found_again_with_what_is_left_of_it(tmp_path: Path) -> None:
    file = WindowFile(tmp_path / "pending.json")
    opened = file.open(Document(), who="anna", why="test", confirm_s=60)
    found = file.read()
    assert found == opened
    assert 55 < found.seconds_left() <= 60
    file.close()
    assert file.read() is None
    file.close()


def test_a_reboot_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WindowFile(tmp_path / "pending.json")
    file.open(Document(), who="anna", why="test", confirm_s=60)
    other = tmp_path / "boot_id"
    other.write_text("another")
    monkeypatch.setattr(window, "BOOT_ID", other)
    found = file.read()
    assert found is not None
    assert found.seconds_left() <= 0


@pytest.mark.parametrize("data", [b"", b"\xff\0", b"{}", b"[" * 100_000, b'{"document":{}}'])
def test_a_damaged_file_is_no_window(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "pending.json"
    path.write_bytes(data)
    assert WindowFile(path).read() is None


def test_a_file_that_cannot_be_removed_keeps_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "pending.json"
    path.mkdir()  # unlink refuses it, as it would on a read-only disk
    WindowFile(path).close()
