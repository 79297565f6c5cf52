# SPDX-License-Identifier: Apache-2.0
"""The frame round every screen: title and status above, one line to speak in and keys below.

State comes down as one `Picture`; a screen asks the app to do things and keeps nothing of
the appliance itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget

from console import theme
from console.glyphs import fit, wrap
from console.picture import Picture
from console.roles import offered
from console.status_words import calm
from console.widgets import bars
from console.widgets.lines import Lines
from console.wording import NOTICE_S

if TYPE_CHECKING:
    from console.app import ConsoleApp


Conversation = Callable[[], Awaitable[None]]
"""Something to do in a worker; begun there and not before, so that none is left half made."""

NOTICE_LINES = 4
"""A refusal is told whole, its remedy too; the body gives way for as long as it stands there."""


class Frame(Screen[None], inherit_bindings=False):
    """A full screen with everything but its body."""

    CRUMBS: ClassVar[str] = ""
    """Where one is, for the title line."""
    FOOTER: ClassVar[tuple[str, ...]] = ("help", "menu", "back")
    """Names of the keys in the footer."""
    KEYS: ClassVar[tuple[str, ...]] = ("back",)
    """Names of the screen's own keys, for the help screen."""
    ABOUT: ClassVar[str] = ""
    """What the screen is for, for the help screen."""
    LIVE: ClassVar[bool] = False
    """Whether it shows figures that are wrong once the agent is silent."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = Picture()
        self._notice: tuple[str, Style] = ("", theme.PLAIN)
        self._said_at = 0.0
        self._doing = ""
        self.done = False
        """To be taken away as soon as nothing covers it."""

    @property
    def console_app(self) -> ConsoleApp:
        """The app, with the appliance and everything a screen may ask for."""
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        yield Lines(id="title", classes="line")
        yield Lines(id="status", classes="line")
        with Vertical(id="body"):
            yield from self.compose_body()
        if self.LIVE:
            yield Lines(id="calm", classes="body hidden")
        yield Lines(id="notice", classes="line")
        yield Lines(id="footer", classes="line")

    def compose_body(self) -> Iterable[Widget]:
        """The screen's own widgets, from top to bottom."""
        return ()

    # Textual calls a handler of every base class by itself, so subclasses have these instead

    def begin(self) -> None:
        """The widgets are there: give one the focus, fetch what is needed."""

    def resumed(self) -> None:
        """Nothing covers the screen any more."""

    def on_mount(self) -> None:
        self.show(self.console_app.picture)
        self.begin()

    def on_screen_resume(self) -> None:
        if self.done:
            self.call_later(self.console_app.close, self)
        self.show(self.console_app.picture)
        self.resumed()

    def on_screen_suspend(self) -> None:
        # what was said is over when the person comes back
        self.hush()

    def on_resize(self) -> None:
        self.show(self.picture)

    @property
    def cells_wide(self) -> int:
        """Width to draw in."""
        return self.size.width or self.app.size.width

    def show(self, picture: Picture) -> None:
        """Draw this picture."""
        self.picture = picture
        if not self.is_mounted:
            return
        width = self.cells_wide
        self.query_one("#title", Lines).show([self.title_bar(picture, width)])
        self.query_one("#status", Lines).show([bars.status(picture, width)])
        self.query_one("#footer", Lines).show(
            [bars.footer(offered(picture.who, self.footer()), width)]
        )
        silent = self.LIVE and picture.silent
        if self.LIVE:
            self.query_one("#calm", Lines).set_class(not silent, "hidden")
            self.query_one("#body").set_class(silent, "hidden")
        if silent:
            self.query_one("#calm", Lines).show(calm(picture, width))
        else:
            self.show_body(picture)
        self._show_notice()

    def show_body(self, picture: Picture) -> None:
        """Draw the screen's own part of the picture."""

    def crumbs(self) -> str:
        """Where one is."""
        return self.CRUMBS

    def title_bar(self, picture: Picture, width: int) -> list[Segment]:
        """The first line."""
        return bars.title(picture, self.crumbs(), width)

    def footer(self) -> tuple[str, ...]:
        """Names of the keys in the footer, as they apply now."""
        return self.FOOTER

    def about(self) -> list[str]:
        """What the screen is for and what it shows, in paragraphs, for the help screen."""
        return [self.ABOUT] if self.ABOUT else []

    @work(group="read", exclusive=True, exit_on_error=False)
    async def read(self, fetch: Conversation, what: str) -> None:
        """Fetch something to show; ends with the screen, and a newer fetch takes its place."""
        await self.console_app.guarded(fetch, what)

    def once(self, conversation: Conversation, what: str) -> None:
        """One thing at a time: a key pressed again while the agent is slow is not meant twice."""
        if self._doing:
            self.say(f"Still {self._doing}; wait for its end.", theme.WARNING)
            return

        async def alone() -> None:
            try:
                await conversation()
            finally:
                self._doing = ""

        self._doing = what
        self.console_app.ask(alone, what)

    def unsaved(self) -> bool:
        """Whether leaving would lose what was typed."""
        return False

    def say(self, text: str, style: Style = theme.PLAIN) -> None:
        """Speak in the notice line."""
        self._notice = (text, style)
        self._said_at = monotonic()
        self._show_notice()

    def hush(self) -> None:
        """Take the last sentence away."""
        self._notice = ("", theme.PLAIN)
        self._show_notice()

    def resting_words(self) -> tuple[str, Style]:
        """What the notice line says while nothing else is to be said."""
        return ("", theme.PLAIN)

    def _show_notice(self) -> None:
        if not self.is_mounted or not self.is_attached:
            return  # a conversation may outlive its screen
        fresh = self._notice[0] and monotonic() - self._said_at < NOTICE_S
        resting = ("", theme.PLAIN) if self.LIVE and self.picture.silent else self.resting_words()
        text, style = self._notice if fresh else resting
        width = self.cells_wide
        lines = wrap(text, max(20, width - 2)) if fresh else [text]
        if len(lines) > NOTICE_LINES:
            lines[NOTICE_LINES - 1 :] = [" ".join(lines[NOTICE_LINES - 1 :])]
        self.query_one("#notice", Lines).show(
            [[Segment(fit(f" {line}", width), style)] if line else [] for line in lines]
        )

    def action_back(self) -> None:
        self.console_app.leave()
