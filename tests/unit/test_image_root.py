# SPDX-License-Identifier: Apache-2.0
"""Two builds share a cache: the second waits for the first; and what is delivered is whole."""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from image import root
from services.errors import Unable


@contextmanager
def another_build(cache: Path) -> Iterator[threading.Timer]:
    """It holds the cache until the timer, once started, lets it go."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ends = threading.Timer(0.1, fcntl.flock, (lock, fcntl.LOCK_UN))
        yield ends
        ends.cancel()


def test_a_build_waits_for_another_one_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(root, "LOOK_S", 0.01)
    caplog.set_level(logging.INFO)
    with another_build(tmp_path) as ends:
        ends.start()
        with root.workshop(tmp_path) as work:
            assert work.is_dir()
            assert not ends.is_alive()
    assert [each.getMessage() for each in caplog.records] == [
        f"another build is at work in {tmp_path}; waiting for it"
    ]


def test_a_build_that_never_ends_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root, "LOOK_S", 0.01)
    monkeypatch.setattr(root, "WAIT_S", 0.05)
    with (
        another_build(tmp_path),
        pytest.raises(Unable, match="Another build has been at work"),
        root.workshop(tmp_path),
    ):
        pass


def test_alone_a_build_waits_for_nobody_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "work-of-a-killed-one").mkdir()
    with root.workshop(tmp_path):
        assert not (tmp_path / "work-of-a-killed-one").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["lock"]
    assert caplog.records == []


def test_delivering_again_what_is_there_leaves_nothing_beside_it(tmp_path: Path) -> None:
    kept, products = tmp_path / "kept", tmp_path / "products"
    for folder in (kept, products):
        folder.mkdir()
    names = (root.ARCHIVE, root.MANIFEST, root.BILL)
    for name in names:
        (kept / name).write_text(name)
    for _ in range(2):
        root.deliver(kept, products, boot=(), reused=True)
        assert {path.name: path.read_text() for path in products.iterdir()} == {
            name: name for name in names
        }
