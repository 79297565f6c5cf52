# SPDX-License-Identifier: Apache-2.0
"""The app: holds the appliance, the picture and the stack of screens, and says where one is.

State comes down from here as one picture for every screen one can see. What talks with the
appliance runs beside the screens, in `console.working` and `console.watch`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from textual.binding import Binding
from textual.events import Resize
from textual.screen import Screen

from console import faults, style
from console.appliance import Appliance
from console.keymap import GLOBAL, bindings
from console.picture import Picture
from console.rows import View
from console.screens.dialog import Ask, Dialog
from console.screens.frame import Frame
from console.terminal import HUNG_UP, fits, is_there, on_hang_up
from console.watch import HOLD_S, Watch
from console.working import Working
from services.api import AccessRole, DraftView, System


def _overview() -> Screen[None]:
    from console.screens.overview import Overview

    return Overview()


def _setup() -> Screen[None]:
    from console.screens.wizard import WizardCards

    return WizardCards()


def _status() -> Screen[None]:
    from console.screens.status import StatusScreen

    return StatusScreen()


class ConsoleApp(Working, inherit_bindings=False):
    """The full-screen console, from the Overview on."""

    CSS_PATH = "style/basic.tcss"
    ENABLE_COMMAND_PALETTE = False
    ESCAPE_TO_MINIMIZE = False
    ALLOW_SELECT = False
    MODES = {"console": _overview, "setup": _setup, "status": _status}  # noqa: RUF012 - as Textual declares it
    DEFAULT_MODE = "console"
    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings(*GLOBAL),
        *(Binding(digit, f"jump({digit})", show=False) for digit in "12345678"),
    ]

    def __init__(self, appliance: Appliance, *, plain_frames: bool = False) -> None:
        """`plain_frames`: drawn with `+-|`, for a terminal without line signs."""
        style.use_plain_scrollbars()
        super().__init__(ansi_color=True)
        self.register_theme(style.BASIC)
        self.theme = style.BASIC.name
        self.appliance = appliance
        self.watching = Watch(appliance, self._paint, draft=appliance.draft)
        self.view = View()
        """How the person likes the Overview; kept while they are elsewhere."""
        self.system = System.LINUX
        """What ran on the real servers that the person set up last."""
        self.fault: Exception | None = None
        self._held_back = ExitStack()
        self.set_class(plain_frames, "-ascii")

    # -- life -------------------------------------------------------------------------------

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, 128 + number)
        if is_there():
            on_hang_up(lambda: loop.call_soon_threadsafe(self.exit, HUNG_UP))
        # an empty screen costs a serial line as much as half of a full one
        self._held_back.enter_context(self.batch_update())
        self.set_timer(HOLD_S, self._held_back.close)
        self.run_worker(self.watching.run(), group="status", exclusive=True, exit_on_error=False)

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

    @property
    def picture(self) -> Picture:
        """What is known of the appliance."""
        return self.watching.picture

    def draft_is(self, draft: DraftView) -> None:
        """The pending changes are these now."""
        picture = replace(self.picture, drafted=draft.edits, clashes=len(draft.clashes))
        self.watching.change(picture)

    def _paint(self) -> None:
        """Show the picture on every screen one can see."""
        if not self.is_running:  # the screens are being taken apart
            return
        self.call_after_refresh(self._held_back.close)
        if self.only_setup and self.current_mode == "console":
            self.switch_mode("setup")
        try:
            for screen in reversed(self.screen_stack):
                if isinstance(screen, Frame | Dialog):
                    screen.show(self.picture)
                if isinstance(screen, Frame):
                    break
        except Exception as error:  # noqa: BLE001 - as for any other fault in drawing
            self._handle_exception(error)

    # -- wishes of screens --------------------------------------------------------------------

    def may(self, *roles: AccessRole) -> bool:
        """Whether the account may do what these roles may; says so if not."""
        who = self.picture.who
        if who is None or who.role in (AccessRole.ADMIN, *roles):
            return True
        self.say(f"The account {who.user} may look, but not do that. Ask an administrator.")
        return False

    @property
    def only_setup(self) -> bool:
        """Whether the account may set the network up and see nothing else."""
        return self.picture.who is not None and self.picture.who.role is AccessRole.SETUP

    def _beyond_setup(self) -> bool:
        if self.only_setup:
            waits = self.picture.status is not None and self.picture.status.node.confirm is not None
            self.say(
                "New settings wait: y keeps them."
                if waits
                else "This account sets the network up. For all else log in as another one."
            )
        return not self.only_setup

    # -- where one is -------------------------------------------------------------------------

    def leave(self) -> None:
        """Back to the screen before; asks first when something typed would be lost."""
        self._unless_unsaved(self._pop, self.screen_stack[-1:])

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
        """Down to the first screen; a dialog on the way is answered as by Esc."""
        while len(self.screen_stack) > 1:
            if isinstance(self.screen, Dialog):
                self.screen.dismiss(None)
            else:
                self.pop_screen()

    def go_to(self, make: Callable[[], Screen[Any]]) -> None:
        """From home to another screen; asks first when something typed would be lost."""

        def go() -> None:
            self.go_home()
            self.push_screen(make())

        self._unless_unsaved(go)

    def _unless_unsaved(
        self, go: Callable[[], None], leaving: Sequence[Screen[Any]] | None = None
    ) -> None:
        """Go, but ask first if a screen that is left (all of them: None) holds typed text."""
        screens = self.screen_stack if leaving is None else leaving
        if any(isinstance(screen, Frame) and screen.unsaved() for screen in screens):
            self.ask(partial(self._discard_first, go), "asking whether to discard")
        else:
            go()

    async def _discard_first(self, go: Callable[[], None]) -> None:
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

        if self._beyond_setup():
            self.go_to(lambda: MenuScreen(main_menu()))

    def action_jump(self, number: int) -> None:
        from console.screens.menu import MenuScreen, main_menu

        def go() -> None:
            self.go_home()
            MenuScreen.open_item(self, main_menu().items[number - 1])

        if self._beyond_setup():
            self._unless_unsaved(go)

    def action_review(self) -> None:
        from console.screens.pending import PendingScreen

        if isinstance(self.screen, PendingScreen) or not self._beyond_setup():
            return
        self._unless_unsaved(lambda: self._push_over(PendingScreen))

    def _push_over(self, kind: type[Frame]) -> None:
        for below in self.screen_stack[1:]:
            if isinstance(below, kind):
                while self.screen is not below:
                    self.pop_screen()
                return
        while isinstance(self.screen, Frame) and self.screen.unsaved():
            self.pop_screen()
        self.push_screen(kind())

    def action_log_out(self) -> None:
        def go() -> None:
            self.go_home()
            self.view = View()
            self.switch_mode("status")

        self._unless_unsaved(go)

    def log_in(self) -> None:
        """From the status screen to the Overview; accounts and passwords are the system's."""
        self.switch_mode("console")

    def action_power(self) -> None:
        from console.screens.power import power

        if self.may():
            self.ask(partial(power, self), "switching the power")

    def action_repaint(self) -> None:
        self.screen.refresh(layout=True)
        if self._driver is not None:
            # something else wrote over the screen, so what Textual believes is there is not
            self._driver.write("\x1b[2J")
            self.refresh(repaint=True)


class StatusFirst(ConsoleApp):
    """The console that begins with the status screen."""

    DEFAULT_MODE = "status"


class Session(ConsoleApp):
    """The console of somebody who has logged in: leaving it ends their session."""

    def action_log_out(self) -> None:
        self._unless_unsaved(self.quit_when_done)
