# SPDX-License-Identifier: Apache-2.0
"""`python -m image.installer`: started by the initramfs as the only program of the machine.

It ends with a restart or not at all; what goes wrong is a page with a remedy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from image.installer import dialogue, medium, payload, survey, writing
from image.installer.dialogue import Stage, State, Wish
from image.installer.disks import offered
from image.installer.pages import page
from image.installer.payload import Payload
from image.installer.terminals import SCREEN, Terminals, open_all
from services.command import output_of, run
from services.errors import ApplianceError, Unable

HERE = Path("/installer")
DESCRIPTION = HERE / "payload.json"
FONT = HERE / "font.psf"
FIND_S = 60.0
"""A stick, or a drive that a server's management lends it, may take so long to appear."""
PAINT_S = 0.5
"""Between two pictures of a work's progress."""


class _StoppedError(Exception):
    """The person has pressed Esc while nothing was written yet."""


class Installer:
    """The conversation with its terminals; `run` goes on until the machine restarts."""

    def __init__(self, carried: Payload, terminals: Terminals) -> None:
        self._payload = carried
        self._terminals = terminals
        self._state = State(needed=carried.disk_size)
        self._medium = ""
        self._painted_at = 0.0

    def run(self) -> Wish:
        """Ask and work, until the machine is to be restarted or switched off."""
        while True:
            self._paint()
            match self._state.wish:
                case Wish.LOOK:
                    self._try(self._look)
                case Wish.INSTALL:
                    self._try(self._install)
                case Wish.RESTART | Wish.SWITCH_OFF as wish:
                    return wish
                case None:
                    for key in self._terminals.keys(within_s=None):
                        self._state = dialogue.press(self._state, key)
                        if self._state.wish:
                            break

    def _paint(self) -> None:
        self._terminals.show(page(self._state, version=self._payload.version))
        self._painted_at = time.monotonic()

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except ApplianceError as error:
            self._state = dialogue.failed(self._state, error)
        except _StoppedError:
            self._state = dialogue.given_up(self._state)
        # what was pressed meanwhile was no answer to the page that comes now
        self._terminals.keys(within_s=0)

    def _look(self) -> None:
        give_up_at = time.monotonic() + FIND_S
        while True:
            found = medium.find(self._payload, survey.may_be_medium())
            if found is not None:
                break
            if time.monotonic() > give_up_at:
                raise Unable(
                    "The medium that this installer came on is not to be found.",
                    do="Connect it again, then press Enter.",
                )
            time.sleep(0.5)
        self._medium = found
        self._state = dialogue.found(self._state, offered(survey.disks(), medium=found))

    def _install(self) -> None:
        disk = self._state.disk
        if disk is None:
            return
        with medium.mounted(self._medium) as folder:
            path = folder / self._payload.file
            medium.check(self._payload, path, lambda *at: self._progress(Stage.CHECK, *at))
            with writing.opened(disk.name) as fd:
                self._write(path, fd)
        self._state = dialogue.installed(self._state)

    def _write(self, path: Path, fd: int) -> None:
        self._progress(Stage.WRITE, 0, self._payload.disk_size)
        do = "Look whether the medium is still connected, and install again."
        # every stretch is compared with its own hash: a second sum would only take time
        with output_of(["zstd", "-q", "-d", "-c", "--no-check", str(path)], do=do) as image:
            writing.write(self._payload, image, fd, lambda *at: self._progress(Stage.WRITE, *at))
        writing.verify(self._payload, fd, lambda *at: self._progress(Stage.VERIFY, *at))
        writing.fit(fd)

    def _progress(self, stage: Stage, done: int, total: int) -> None:
        new = stage is not self._state.stage
        self._state = dialogue.goes_on(self._state, stage, done, total)
        if not new and time.monotonic() < self._painted_at + PAINT_S:
            return
        self._paint()
        if any(dialogue.stops(self._state, key) for key in self._terminals.keys(within_s=0)):
            raise _StoppedError


def main() -> None:
    """Entry point of the initramfs."""
    # the screen is readable in the kernel's own font too
    with suppress(ApplianceError):
        argv = ["setfont", "-C", f"/dev/{SCREEN}", str(FONT)]
        asyncio.run(run(argv, timeout_s=10))
    carried = payload.read(DESCRIPTION.read_text(encoding="utf-8"))
    with open_all() as terminals:
        wish = Installer(carried, terminals).run()
    program = "poweroff" if wish is Wish.SWITCH_OFF else "reboot"
    asyncio.run(run([program], timeout_s=60, do="Switch the machine off and on."))


if __name__ == "__main__":
    main()
