# SPDX-License-Identifier: Apache-2.0
"""What a unit has of its own, and how each piece is made.

Each is put in place whole and durable (`write_durably`), so one that is there is a good one.
OpenSSH's own `ssh-keygen -A` writes in place and flushes nothing: after a power cut an empty
key would keep sshd from starting. So keys are made in memory (/run) and moved as bytes. A
private key goes last, for it is what says that the pair is there.

There is no RSA host key: every client since OpenSSH 6.5 and PuTTY 0.68 knows Ed25519, those
that follow FIPS know ECDSA, and making one takes up to a minute on a slow machine.

The machine id is systemd's to make, long before this program runs: it fills the empty
/etc/machine-id of the image, which the overlay on /etc keeps. Where it could not, it is made
here, because the journal and DHCP would otherwise take the unit for another at each start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from services.command import run
from services.drivers.files import unable, write_durably
from services.plan.state import File

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

MAKE_S = 60.0
"""An ECDSA key takes a second where everything is emulated."""

SECRETS: Mapping[str, Callable[[], str]] = {
    # 144 bits, as letters, digits, - and _: nothing a file of any daemon has to quote
    "haproxy-stats-password": lambda: secrets.token_urlsafe(18),
    # as /etc/ha.d/authkeys wants it; the partner of a pair gets this one when they are joined
    "heartbeat-authkeys": lambda: f"auth 1\n1 sha1 {secrets.token_hex(20)}",
}
"""Files below `secrets`, and what makes each."""

HOST_KEYS = ("ed25519", "ecdsa")

_MACHINE_ID = re.compile(r"[0-9a-f]{32}\n?")


async def make(state: Path, etc: Path) -> tuple[Path, ...]:
    """Make what is missing below the folders; returns what was made. Raises `Unable`."""
    made = [*await asyncio.to_thread(_secrets, state / "secrets"), *await _host_keys(etc / "ssh")]
    made += await _machine_id(etc / "machine-id")
    for path in made:
        log.info("made %s", path)
    return tuple(made)


def paths(state: Path, etc: Path) -> tuple[Path, ...]:
    """Everything whose absence is a reason to `make`."""
    return (
        *(state / "secrets" / name for name in SECRETS),
        *(_host_key(etc / "ssh", kind) for kind in HOST_KEYS),
    )


def _secrets(folder: Path) -> list[Path]:
    with _mending(folder):
        folder.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)  # somebody's umask, or an older version's
        _flush(folder.parent)
    made = []
    for name, fresh in SECRETS.items():
        path = folder / name
        if _is_there(path):
            with _mending(path):
                path.chmod(0o600)
            continue
        write_durably(File(str(path), f"{fresh()}\n".encode(), 0o600))
        made.append(path)
    return made


async def _host_keys(folder: Path) -> list[Path]:
    missing = [kind for kind in HOST_KEYS if not _is_there(_host_key(folder, kind))]
    made = []
    for kind in missing:
        path = _host_key(folder, kind)
        private, public = await _key_pair(kind)
        await asyncio.to_thread(write_durably, File(f"{path}.pub", public, 0o644))
        await asyncio.to_thread(write_durably, File(str(path), private, 0o600))
        made.append(path)
    return made


async def _key_pair(kind: str) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory(prefix="ballast-key-", dir=_memory()) as place:
        path = Path(place) / "key"
        argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)]
        await run(argv, timeout_s=MAKE_S, do="Install openssh-client.")
        return path.read_bytes(), path.with_suffix(".pub").read_bytes()


def _memory() -> str | None:
    """A folder that is in memory only, where there is one."""
    return "/run" if os.access("/run", os.W_OK) else None


async def _machine_id(path: Path) -> list[Path]:
    try:
        if _MACHINE_ID.fullmatch(path.read_text(errors="replace")):
            return []
    except OSError:
        pass
    text = f"{secrets.token_hex(16)}\n"
    await asyncio.to_thread(write_durably, File(str(path), text.encode(), 0o444))
    return [path]


def _host_key(folder: Path, kind: str) -> Path:
    return folder / f"ssh_host_{kind}_key"


def _is_there(path: Path) -> bool:
    """An empty file is what a power cut leaves of one that others have written."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _flush(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _mending(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unable(error, str(path)) from error
