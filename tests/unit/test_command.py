# SPDX-License-Identifier: Apache-2.0
"""Programs that cannot be started are told about like those that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.command import run
from services.errors import CommandFailed


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (None, 0, "is not installed"),
        (b"\x00\x01 no program", 0o755, "cannot be started: Exec format error"),
        (b"#!/bin/sh\nexit 0\n", 0o644, "may not be started"),
        (b"#!/nowhere/interpreter\n", 0o755, "is not installed"),
        (b"#!/bin/sh\necho no way. >&2; exit 3\n", 0o755, "failed with status 3: no way"),
    ],
)
async def test_what_is_no_program(
    tmp_path: Path, content: bytes | None, mode: int, reason: str
) -> None:
    path = tmp_path / "haproxy"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(CommandFailed) as caught:
        await run([str(path)], timeout_s=10, do="Install it.")
    assert caught.value.what == f"{path} {reason}."
    assert caught.value.do == "Install it."


async def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"did not finish in 0\.2 s"):
        await run(["sleep", "60"], timeout_s=0.2)
