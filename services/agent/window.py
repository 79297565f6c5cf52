# SPDX-License-Identifier: Apache-2.0
"""Keep or roll back: a change that undoes itself unless somebody confirms it.

While a window is open the running document is not yet a revision. It lies in a file of its
own with its deadline, so that an agent killed inside the window still knows both; the
deadline is on the monotonic clock together with the kernel's boot id, so that neither a
clock set back nor a reboot keeps an unconfirmed change alive.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from services.agent.drafts import Draft
from services.drivers.files import write_durably
from services.model import Document
from services.plan.state import File

log = logging.getLogger(__name__)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Window(BaseModel):
    """An applied document waiting to be confirmed."""

    document: Document
    who: str
    why: str
    deadline: float
    """On `time.monotonic`'s clock."""
    boot_id: str
    draft: Draft | None = None
    """The pending changes it was made of: they come back with the settings before."""

    def seconds_left(self) -> float:
        """Until it rolls back; never positive after a reboot."""
        return self.deadline - time.monotonic() if self.boot_id == boot_id() else 0.0


def boot_id() -> str:
    """Names this run of the kernel."""
    return BOOT_ID.read_text().strip()


@dataclass(frozen=True)
class WindowFile:
    """Where the open window lies, if there is one."""

    path: Path

    def read(self) -> Window | None:
        """The open window; a file cut short counts as none, so the change rolls back."""
        try:
            return Window.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return None

    def open(
        self, document: Document, *, who: str, why: str, confirm_s: int, draft: Draft | None = None
    ) -> Window:
        """Begin a window of `confirm_s` seconds; raises `Unable` when it cannot be kept."""
        window = Window(
            document=document,
            who=who,
            why=why,
            deadline=time.monotonic() + confirm_s,
            boot_id=boot_id(),
            draft=draft,
        )
        write_durably(File(str(self.path), window.model_dump_json().encode(), 0o640))
        return window

    def close(self) -> None:
        """End the window, confirmed or not.

        A file that cannot be removed must not keep a change alive. Found by the next agent it
        does no harm: what it rolls back to is the newest revision, which runs already.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s cannot be removed: %s", self.path, error)
