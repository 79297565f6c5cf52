# SPDX-License-Identifier: Apache-2.0
"""A machine's name in memory."""

from __future__ import annotations

from dataclasses import dataclass

from services.errors import Unable


@dataclass
class FakeHost:
    """Takes what the kernel takes: 64 bytes at most."""

    name: str = "localhost"
    failing: Unable | None = None

    async def hostname(self) -> str:
        return self.name

    async def set_hostname(self, name: str) -> None:
        if self.failing is not None:
            raise self.failing
        if len(name.encode()) > 64:
            raise Unable(
                f"The kernel does not take {name} as the machine's name: Invalid argument.",
                do="Choose a name of 63 characters at most.",
            )
        self.name = name
