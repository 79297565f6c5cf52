# SPDX-License-Identifier: Apache-2.0
"""Work beside the screen: conversations with the person and the appliance, in workers.

A change belongs to the app and not to a screen, so nobody cancels it by leaving. Whatever
goes wrong in a worker ends as a sentence in the notice line and the console goes on.
"""

from __future__ import annotations

import asyncio
from functools import partial

from textual import work
from textual.app import App
from textual.events import Event, Key

from console import faults, theme
from console.screens.frame import Conversation, Frame
from services.errors import ApplianceError

OPENING_S = 5.0
CHANGE = "change"
"""Group of the workers that nobody cancels."""


class Working(App[int], inherit_bindings=False):
    """The part of the app that talks."""

    _held: list[Key] | None = None
    """Keys typed ahead; None: they are handled at once."""

    def say(self, text: str, *, bad: bool = True) -> None:
        """Speak in the notice line of the topmost full screen."""
        style = theme.BAD if bad else theme.GOOD
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Frame):
                screen.say(text, style)
                return

    @work(group=CHANGE, exit_on_error=False)
    async def ask(self, conversation: Conversation, what: str) -> None:
        """Talk with the person and the appliance: runs to its end whatever screen is shown."""
        await self.guarded(conversation, what)

    def open(self, opening: Conversation, what: str) -> None:
        """Open a screen that must ask the appliance first; keys typed meanwhile wait for it."""
        self._held = []
        self.ask(partial(self._released, opening), what)

    async def _released(self, opening: Conversation) -> None:
        try:
            await asyncio.wait_for(opening(), OPENING_S)
        except TimeoutError:
            self.say("The agent is slow to answer; try again.")
        finally:
            held, self._held = self._held or [], None
            for event in held:
                self.post_message(event)

    async def on_event(self, event: Event) -> None:
        if self._held is not None and isinstance(event, Key) and not event.is_forwarded:
            self._held.append(event)
        else:
            await super().on_event(event)

    async def guarded(self, conversation: Conversation, what: str) -> None:
        """Do it; a refusal is said, a fault of ours is logged, and the console goes on."""
        try:
            await conversation()
        except ApplianceError as error:
            self.say(str(error))
        except Exception as error:  # noqa: BLE001 - a worker's fault must not end the console
            faults.record(error, what)
            self.say(f"The console met a fault ({type(error).__name__}) while {what}.")

    def quit_when_done(self) -> None:
        """Leave the console, but not while a change is on its way."""
        if any(worker.group == CHANGE and worker.is_running for worker in self.workers):
            self.say("A change is being made; q again when it is done.")
        else:
            self.exit(0)
