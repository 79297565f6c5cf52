# SPDX-License-Identifier: Apache-2.0
"""What the console knows of the appliance at one moment, as one value handed to every screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.api import Edit
    from services.api_status import Status, WhoAmI
    from services.errors import ApplianceError

CALM_AFTER_S = 4.0
"""An agent that restarts is back within this time: until then the last figures stay."""


@dataclass(frozen=True)
class Picture:
    """Everything a screen shows that is not its own."""

    status: Status | None = None
    """The last one that arrived; None: never."""
    who: WhoAmI | None = None
    drafted: tuple[Edit, ...] = ()
    """Changed objects in this console's draft."""
    clashes: int = 0
    lost: ApplianceError | None = None
    """Why the last reading failed; None: it did not."""
    starting: bool = False
    """Nobody has answered yet, because the machine has only just been switched on."""
    lost_s: float = 0.0
    """For how long readings have failed."""
    refresh_s: float = 2.0
    paused: bool = False

    @property
    def silent(self) -> bool:
        """Whether to stop showing old figures and say what to do."""
        return self.lost is not None and (self.status is None or self.lost_s >= CALM_AFTER_S)

    @property
    def hurried(self) -> bool:
        """Whether to ask again soon: nobody answered, or a countdown runs."""
        waiting = self.status is not None and self.status.node.confirm is not None
        return self.lost is not None or waiting
