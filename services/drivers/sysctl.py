# SPDX-License-Identifier: Apache-2.0
"""Settings of the kernel below /proc/sys.

A setting that is not there, or may not be changed here, is none: /proc/sys/net/ipv4/vs
appears with the module ip_vs, and a network namespace has only settings of its own. That is
told once in the log and is no error, since a unit without layer 4 services needs no IPVS.

Looking at 40 settings takes half a millisecond; changing one may wait for the kernel's network
lock, so both are in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from services.errors import Unable

log = logging.getLogger(__name__)

ROOT = Path("/proc/sys")


class Sysctls(Protocol):
    """Settings by their path below /proc/sys, values with single spaces."""

    async def seen(self, names: Iterable[str]) -> Mapping[str, str | None]:
        """What each is; None: it is not there or not ours to change."""

    async def change(self, values: Mapping[str, str]) -> None:
        """Set them, all that can be; raises `Unable` with the first that cannot."""


class KernelSysctls:
    """The kernel's, as the namespace of this process has them."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._absent: frozenset[str] = frozenset()

    async def seen(self, names: Iterable[str]) -> Mapping[str, str | None]:
        found = await asyncio.to_thread(self._read, tuple(names))
        absent = frozenset(name for name, value in found.items() if value is None)
        if absent - self._absent:
            words = ", ".join(sorted(name.replace("/", ".") for name in absent))
            log.info("this kernel has no such settings, so they are left out: %s", words)
        self._absent = absent
        return found

    async def change(self, values: Mapping[str, str]) -> None:
        await asyncio.to_thread(self._write, dict(values))

    def _read(self, names: tuple[str, ...]) -> dict[str, str | None]:
        return {name: _value(self._root / name) for name in names}

    def _write(self, values: Mapping[str, str]) -> None:
        refused: list[tuple[str, OSError]] = []
        for name, value in values.items():
            try:
                (self._root / name).write_text(f"{value}\n")
            except OSError as error:
                refused.append((name, error))
        if refused:
            name, reason = refused[0]
            raise Unable(
                f"{name.replace('/', '.')} cannot be set to {values[name]}: {reason.strerror}.",
                do="Run the agent as root, and look whether the kernel's module is loaded.",
            ) from reason


def _value(path: Path) -> str | None:
    if not os.access(path, os.W_OK):
        return None
    try:
        return " ".join(path.read_text(errors="replace").split())
    except OSError:
        return None
