# SPDX-License-Identifier: Apache-2.0
"""The app: holds the appliance, the picture and the stack of screens, and starts the workers.

Every call of the appliance happens in a worker here. Reading is exclusive, a newer one takes
the place of an older; a change belongs to the app and not to a screen, so nobody cancels it
by leaving.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.events import Resize
from textual.screen import Screen

from console import faults, theme
from console.appliance import Appliance
from console.keymap import GLOBAL, bindings
from console.picture import Picture
from console.rows import View
from console.screens.frame import Frame
from services.api import AccessRole, DraftView
from services.errors import ApplianceError, Unable

LEAST_WIDTH, LEAST_HEIGHT = 80, 24
REFRESH_S = (1.0, 2.0, 5.0, 10.0, 30.0)
RETRY_S = 1.0


class ConsoleApp(App[int], inherit_bindings=False):
    """The full-screen console."""

    CSS_PATH = "style/basic.tcss"
    ENABLE_COMMAND_PALETTE = False
    ESCAPE_TO_MINIMIZE = False
    ALLOW_SELECT = False
    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings(*GLOBAL),
        *(Binding(digit, f"jump({digit})", show=False) for digit in "12345678"),
    ]

    def __init__(
        self,
        appliance: Appliance,
        *,
        status_first: bool = False,
        resident: bool = False,
        plain_frames: bool = False,
    ) -> None:
        """`resident`: on the machine's own screen, which nobody may leave for a shell."""
        theme.use_plain_scrollbars()
        super().__init__()
        self.register_theme(theme.BASIC)
        self.theme = theme.BASIC.name
        self.appliance = appliance
        self.resident = resident
        self.picture = Picture()
        self.view = View()
        """How the person likes the Overview; kept while they are elsewhere."""
        self.fault: Exception | None = None
        self._status_first = status_first
        self._wake = asyncio.Event()
        self.set_class(plain_frames, "-ascii")

    # -- life -------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        if self._status_first:
            from console.screens.status import StatusScreen

            return StatusScreen()
        from console.screens.overview import Overview

        return Overview()

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, 128 + number)
        self.run_worker(self._watch(), group="status", exclusive=True, exit_on_error=False)

    async def on_unmount(self) -> None:
        await self.appliance.aclose()

    def on_resize(self, event: Resize) -> None:
        from console.screens.too_small import TooSmall

        if fits(event.size.width, event.size.height):
            if isinstance(self.screen, TooSmall):
                self.pop_screen()
        elif not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall())

    def _handle_exception(self, error: Exception) -> None:
        # for every exception nobody caught, in whatever widget; Textual would print it
        faults.record(error, "drawing the screen")
        self.fault = self.fault or error
        self._return_code = faults.EXIT_FAULT
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    # -- the picture ------------------------------------------------------------------------

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        lost_at: float | None = None
        while True:
            try:
                await self._read()
                lost_at = None
            except ApplianceError as error:
                lost_at = lost_at or loop.time()
                self.paint(lost=error, lost_s=loop.time() - lost_at)
            except Exception as error:  # noqa: BLE001 - the figures go on after a fault of ours
                faults.record(error, "reading the status")
            pause = RETRY_S if self.picture.hurried else self.picture.refresh_s
            if self.picture.paused:
                await self._wake.wait()
            else:
                try:
                    await asyncio.wait_for(self._wake.wait(), pause)
                except TimeoutError:
                    pass
            self._wake.clear()

    async def _read(self) -> None:
        try:
            status = await self.appliance.status()
            if self.picture.who is None or self.picture.lost is not None:
                self.picture = replace(self.picture, who=await self.appliance.whoami())
                self.run_worker(self._read_draft(), group="draft", exclusive=True)
        except ValueError as error:
            raise Unable(
                "The agent's answer is not understood.",
                do="Bring console and agent to the same version.",
            ) from error
        self.paint(status=status, lost=None, lost_s=0.0)

    async def _read_draft(self) -> None:
        try:
            self.draft_is(await self.appliance.draft())
        except ApplianceError:
            return  # the status reader says so already

    def draft_is(self, draft: DraftView) -> None:
        """The pending changes are these now."""
        self.paint(drafted=draft.edits, clashes=len(draft.clashes))

    def paint(self, **new: Any) -> None:  # noqa: ANN401 - any field of the picture
        """Change the picture, and show it on every screen one can see."""
        self.picture = replace(self.picture, **new)
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Frame):
                screen.show(self.picture)
                break
            if (show := getattr(screen, "show", None)) is not None:
                show(self.picture)

    def refresh_now(self) -> None:
        """Read the status again at once."""
        self._wake.set()

    def turn_refresh(self, step: int) -> None:
        """Slower (1) or faster (-1)."""
        at = REFRESH_S.index(self.picture.refresh_s) + step
        self.paint(refresh_s=REFRESH_S[max(0, min(len(REFRESH_S) - 1, at))], paused=False)
        self._wake.set()

    def pause_refresh(self) -> None:
        """Stop the live refresh, or let it go on."""
        self.paint(paused=not self.picture.paused)
        self._wake.set()

    # -- wishes of screens --------------------------------------------------------------------

    def may(self, *roles: AccessRole) -> bool:
        """Whether the account may do what these roles may; says so if not."""
        who = self.picture.who
        if who is None or who.role in (AccessRole.ADMIN, *roles):
            return True
        self.say(f"The account {who.user} may look, but not do that. Ask an administrator.")
        return False

    def say(self, text: str, *, bad: bool = True) -> None:
        """Speak in the notice line of the topmost full screen."""
        style = theme.BAD if bad else theme.GOOD
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Frame):
                screen.say(text, style)
                return

    def ask(self, conversation: Coroutine[Any, Any, None], what: str) -> None:
        """Talk with the person and the appliance: runs to its end whatever screen is shown."""
        self.run_worker(self.guarded(conversation, what), group="change", exit_on_error=False)

    async def guarded(self, work: Awaitable[None], what: str) -> None:
        """Do it; a refusal is said, a fault of ours is logged, and the console goes on."""
        try:
            await work
        except ApplianceError as error:
            self.say(str(error))
        except Exception as error:  # noqa: BLE001 - a worker's fault must not end the console
            faults.record(error, what)
            self.say(f"The console met a fault ({type(error).__name__}) while {what}.")

    # -- where one is -------------------------------------------------------------------------

    def leave(self) -> None:
        """Back to the screen before; asks first when something typed would be lost."""
        self._unless_unsaved(self._pop)

    def close(self, screen: Frame) -> None:
        """Take this screen away, now or as soon as what covers it has gone."""
        if self.screen is screen:
            self._pop()
        else:
            screen.done = True

    def _pop(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def go_home(self) -> None:
        """Down to the first screen."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def go_to(self, make: Callable[[], Screen[Any]]) -> None:
        """From home to another screen; asks first when something typed would be lost."""

        def go() -> None:
            self.go_home()
            self.push_screen(make())

        self._unless_unsaved(go)

    def _unless_unsaved(self, go: Callable[[], None]) -> None:
        screen = self.screen
        if isinstance(screen, Frame) and screen.unsaved():
            self.ask(self._discard_first(go), "asking whether to discard")
        else:
            go()

    async def _discard_first(self, go: Callable[[], None]) -> None:
        from console.screens.dialog import Ask

        answer = await self.push_screen_wait(
            Ask(
                "Discard what you typed?",
                ["This form has changes which are not among the pending ones yet."],
                options=[("discard", "Discard"), ("keep", "Keep editing")],
                default="keep",
            )
        )
        if answer == "discard":
            go()

    # -- keys ---------------------------------------------------------------------------------

    def action_help(self) -> None:
        from console.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_menu(self) -> None:
        from console.screens.menu import MenuScreen, main_menu

        self.go_to(lambda: MenuScreen(main_menu()))

    def action_jump(self, number: int) -> None:
        from console.screens.menu import MenuScreen, main_menu

        def go() -> None:
            self.go_home()
            MenuScreen.open_item(self, main_menu().items[number - 1])

        self._unless_unsaved(go)

    def action_review(self) -> None:
        from console.screens.pending import PendingScreen

        if isinstance(self.screen, PendingScreen):
            return
        self._unless_unsaved(lambda: self._push_over(PendingScreen))

    def _push_over(self, kind: type[Frame]) -> None:
        for below in self.screen_stack[1:]:
            if isinstance(below, kind):
                while self.screen is not below:
                    self.pop_screen()
                return
        if isinstance(self.screen, Frame) and self.screen.unsaved():
            self.pop_screen()
        self.push_screen(kind())

    def action_log_out(self) -> None:
        from console.screens.status import StatusScreen

        def go() -> None:
            self.go_home()
            self.view = View()
            self.switch_screen(StatusScreen())

        self._unless_unsaved(go)

    def log_in(self) -> None:
        """From the status screen to the Overview; accounts and passwords are the system's."""
        from console.screens.overview import Overview

        self.switch_screen(Overview())

    def action_power(self) -> None:
        from console.screens.dialog import Ask

        self.push_screen(
            Ask(
                "Power",
                [
                    "Restart and shut down come with the appliance image.",
                    (
                        "This console runs on a system that is not the appliance's own, "
                        "and leaves it alone."
                    ),
                ],
                options=[("ok", "Back")],
                default="ok",
            )
        )

    def action_repaint(self) -> None:
        self.screen.refresh(layout=True)
        if self._driver is not None:
            # something else wrote over the screen, so what Textual believes is there is not
            self._driver.write("\x1b[2J")
            self.refresh(repaint=True)


def fits(width: int, height: int) -> bool:
    """Whether a terminal of that size is large enough."""
    return width >= LEAST_WIDTH and height >= LEAST_HEIGHT
