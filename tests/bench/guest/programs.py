# SPDX-License-Identifier: Apache-2.0
"""Programs that are started, whose table is waited for, and that are ended."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LEAVE_S = 60
LAST = 1500


@contextmanager
def running(argv: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the foreground; an error within has its last words as a note."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            yield child
        except Exception as error:
            said.seek(0)
            error.add_note(f"{argv[0]} said last: {said.read().decode(errors='replace')[-LAST:]}")
            raise
        finally:
            child.terminate()
            try:
                child.wait(timeout=LEAVE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def written(folder: Path, name: str, text: str) -> Path:
    """A file with these words."""
    path = folder / name
    path.write_text(text)
    return path
