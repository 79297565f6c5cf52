# SPDX-License-Identifier: Apache-2.0
"""Our table of nftables rules: seen, and replaced as a whole.

nft prints a table otherwise than it was written: sorted, and with names for numbers. So what
it printed right after we loaded a table is remembered, and a table that it still prints alike
is the one that was loaded. After our own start nothing is remembered, and the table counts as
another one: loading it again is one transaction of the kernel, which no packet notices.
"""

from __future__ import annotations

import errno
import os
import shutil
from typing import Protocol

from services.command import Output, run
from services.errors import Unable
from services.render.nft import TABLE

CHANGED = "# by another hand"
"""What is seen when the table is not the one we loaded; equal to no rules of ours."""

TIMEOUT_S = 10.0
INSTALL = "Install nftables (`apt install nftables`) and run the agent as root."


class Nft(Protocol):
    """The rules in our own table. Raises `Unable` when nft or the kernel refuses."""

    async def seen(self) -> str | None:
        """The rules that are loaded, as `replace` was given them, `CHANGED`, or empty; None:
        this machine has no nftables.
        """

    async def replace(self, rules: str) -> None:
        """Take these rules and no others; empty takes the table away."""


class KernelNft:
    """The kernel's, in the network namespace of this process, by the program nft."""

    def __init__(self) -> None:
        self._program = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin") or ""
        self._loaded = ""
        self._printed: str | None = None
        """None: nobody has looked yet."""

    async def seen(self) -> str | None:
        if not self._program:
            return None
        if self._printed == "":  # none of ours, and whoever makes one has no business with us
            return ""
        printed = await self._listing()
        if not printed:
            self._printed = printed
            return printed
        return self._loaded if printed == self._printed else CHANGED

    async def replace(self, rules: str) -> None:
        # declared first, since deleting what is not there is refused
        await self._nft(
            "-f", "-", stdin=f"table {TABLE} {{ }}\ndelete table {TABLE}\n{rules}", accept=(0,)
        )
        self._printed = await self._listing()
        self._loaded = rules

    async def _listing(self) -> str | None:
        """The table as nft prints it, without counts; empty: none; None: not to be had here."""
        told = await self._nft("--stateless", "list", "table", *TABLE.split(), accept=(0, 1))
        if told.status == 0:
            return told.stdout
        return "" if os.strerror(errno.ENOENT) in told.stderr else None

    async def _nft(self, *words: str, accept: tuple[int, ...], stdin: str = "") -> Output:
        if not self._program:
            raise Unable("There is no nftables on this machine.", do=INSTALL)
        argv = [self._program, *words]
        return await run(argv, timeout_s=TIMEOUT_S, stdin=stdin, accept=accept, do=INSTALL)
