# SPDX-License-Identifier: Apache-2.0
"""Settings of a kernel in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.errors import Unable


@dataclass
class FakeSysctls:
    """Has the settings it was given and no other."""

    values: dict[str, str] = field(default_factory=dict)
    failing: Unable | None = None

    async def seen(self, names: Iterable[str]) -> Mapping[str, str | None]:
        return {name: self.values.get(name) for name in names}

    async def change(self, values: Mapping[str, str]) -> None:
        if self.failing is not None:
            raise self.failing
        refused = [name for name in values if name not in self.values]
        self.values.update({name: value for name, value in values.items() if name in self.values})
        if refused:
            raise Unable(
                f"{refused[0].replace('/', '.')} cannot be set to {values[refused[0]]}: "
                "No such file or directory.",
                do="Run the agent as root, and look whether the kernel's module is loaded.",
            )
