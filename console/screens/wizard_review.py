# SPDX-License-Identifier: Apache-2.0
"""The network wizard, step 4: the difference, Apply with its countdown; then how to reach the unit.

The whole document is applied against the revision it was made from. That is not the console's
draft on purpose: changes of services that wait there are not swept along by a new address.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Interface

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.widget import Widget

from console import review, theme
from console.glyphs import fit, wrap
from console.keymap import bindings
from console.objects import LOCAL, interface_key
from console.picture import Picture
from console.review import TextLine
from console.screens.apply_dialogs import CONFIRM_S, KeepDialog, roll_back
from console.screens.text import TextScreen
from console.screens.wizard import WizardStep
from console.widgets.buttons import Buttons
from console.widgets.row_list import RowList
from console.wizard import ADDRESS, Verdict, Wizard, judge, own_address
from services.api import ApplyRequest, NodeStatus, PlanView
from services.errors import EditConflict

WHY = "network wizard"
FIRST = (
    "  SSH refuses the account until its password was changed: log in as loadbalancer "
    "(password loadbalancer) on this machine's own screen first."
)


class ReviewStep(WizardStep):
    """Step 4."""

    STEP = 4
    FOOTER = ("help", "apply", "step_back", "log_out", "back")
    KEYS = ("apply", "step_back", "up", "down", "page_up", "page_down", "keep", "back")
    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings("apply", "step_back", ahead=True),
        *bindings("up", "down", "page_up", "page_down", "keep", "back"),
    ]
    ABOUT = (
        "What applying changes. F9 applies it, and the unit goes back to its settings by itself "
        "unless the new ones are kept within 60 seconds."
    )

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._verdict: Verdict | None = None
        self._plan: PlanView | None = None
        self._applied = False
        """A window of ours is open."""

    def compose_step(self) -> Iterable[Widget]:
        yield RowList[tuple[int, TextLine]](_paint, key=lambda row: row[0], id="lines")
        yield Buttons([("back", "Back"), ("apply", "Apply")], default="apply")

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.query_one(Buttons))
        self.read(self._fetch, "reviewing the network settings")

    @property
    def text(self) -> RowList[tuple[int, TextLine]]:
        """What would change."""
        return self.query_one("#lines", RowList)

    async def _fetch(self) -> None:
        """Judge against what runs now: somebody may have applied something meanwhile."""
        appliance = self.console_app.appliance
        runs = await appliance.document()
        self.wizard.running, self.wizard.revision = runs.document, runs.info.number
        verdict = judge(self.wizard)
        if verdict.document is not None and self.wizard.changes:
            self._plan = await appliance.plan(ApplyRequest(document=verdict.document))
        self._verdict = verdict
        self._show_lines()

    def _show_lines(self) -> None:
        if not self.is_attached:
            return
        width = max(20, self.cells_wide - 6)
        found = [part for line in self._lines() for part in _wrapped(line, width)]
        self.text.show(list(enumerate(found)))

    def _lines(self) -> Iterable[TextLine]:
        verdict = self._verdict
        if verdict is None:
            return
        if verdict.document is None:
            yield ("This cannot be applied; F8 goes back to it", theme.BAD)
            for told in verdict.wrong.values():
                yield from ((f"  {sentence}", theme.PLAIN) for sentence in told)
            return
        if not self.wizard.changes:
            yield ("Nothing is changed: the unit has these settings already.", theme.GOOD)
            return
        yield (f"{'':<16} {'now':<26}  after", theme.HEADING)
        for title, now, then in self.wizard.changes:
            yield (f"{title:<16} {fit(now or 'none', 26)}  {then or 'none'}", theme.STRONG)
        if verdict.warnings:
            yield ("", theme.PLAIN)
            yield from ((f"! {warning}", theme.WARNING) for warning in verdict.warnings)
        yield ("", theme.PLAIN)
        if self._plan is not None:
            yield from review.plan_lines(self._plan.model_copy(update={"diff": "", "files": ""}))
            yield ("", theme.PLAIN)
        login = f"ssh {self._account()}@{own_address(self.wizard)}"
        words = f"What is not kept within {CONFIRM_S} s after Apply is taken back by itself."
        yield (f"{words} From elsewhere connect anew: {login}", theme.FAINT)

    def _account(self) -> str:
        return self.picture.who.user if self.picture.who else "loadbalancer"

    @property
    def _window_open(self) -> bool:
        status = self.picture.status
        return status is not None and status.node.confirm is not None

    def resting_words(self) -> tuple[str, Style]:
        confirm = self.picture.status.node.confirm if self.picture.status else None
        if confirm is not None:
            left = confirm.seconds_left
            return (f"Applied, and gone in {left} s: y keeps it, F9 asks again.", theme.WARNING)
        return ("", theme.PLAIN)

    def show_body(self, picture: Picture) -> None:
        super().show_body(picture)
        if self._verdict is not None:
            self._show_lines()

    def unsaved(self) -> bool:
        return not self._applied and super().unsaved()

    # -- keys ---------------------------------------------------------------------------------

    def action_up(self) -> None:
        self.text.scroll_up(animate=False)

    def action_down(self) -> None:
        self.text.scroll_down(animate=False)

    def action_page_up(self) -> None:
        self.text.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        self.text.scroll_page_down(animate=False)

    @on(Buttons.Pressed)
    def _pressed(self, message: Buttons.Pressed) -> None:
        if message.answer == "apply":
            self.action_apply()
        else:
            self.action_step_back()

    def action_apply(self) -> None:
        if not self.console_app.may(*self.ROLES) or self._verdict is None:
            return
        if self._window_open:
            self.once(self._ask_to_keep, "keeping the settings")
        elif self._verdict.document is None:
            self.say("Correct the answers first: F8 goes back.", theme.BAD)
        elif not self.wizard.changes:
            self._finish()
        else:
            self.once(self._apply, "applying the network settings")

    def action_keep(self) -> None:
        if self._window_open and self.console_app.may(*self.ROLES):
            self.once(self._keep, "keeping the settings")

    async def _apply(self) -> None:
        verdict = self._verdict
        if verdict is None or verdict.document is None:
            return
        self.say("Applying ...")
        wish = ApplyRequest(
            document=verdict.document, base=self.wizard.revision, why=WHY, confirm_s=CONFIRM_S
        )
        try:
            await self.console_app.appliance.apply(wish)
        except EditConflict:
            await self._fetch()
            self.say("Somebody changed the configuration meanwhile: look again.", theme.WARNING)
            return
        self._applied = True
        self.hush()
        self.console_app.watching.now()
        if self.is_attached:
            await self._ask_to_keep()

    async def _ask_to_keep(self) -> None:
        match await self.console_app.push_screen_wait(KeepDialog()):
            case "keep":
                await self._keep()
            case "kept":
                await self._kept()
            case "undo":
                await self._back("Rolled back: the settings before are back.")
            case "gone":
                await self._back("Nobody kept it in time: the settings before are back.")
            case _:
                self.say("It still waits: F9 asks again, y keeps it.", theme.WARNING)

    async def _keep(self) -> None:
        await self.console_app.appliance.confirm()
        await self._kept()

    async def _back(self, words: str) -> None:
        """What was typed stays, for another try."""
        await roll_back(self.console_app)
        self._applied = False
        self.console_app.watching.now()
        await self._fetch()
        self.say(f"{words} F8 goes to what you typed.", theme.WARNING)

    async def _kept(self) -> None:
        """The wizard's pending twins are done with; another console's are not ours."""
        app = self.console_app
        for edit in self.wizard.edits:
            if edit.key in (LOCAL.text, interface_key(self.wizard.card).text):
                app.draft_is(await app.appliance.drop_edit(edit.key))
        app.watching.now()
        self._finish()

    def _finish(self) -> None:
        app, wizard = self.console_app, self.wizard
        self.leave()
        app.push_screen(WizardDone(wizard))


class WizardDone(TextScreen):
    """How to reach the unit, and what comes next."""

    ABOUT = "The network is set. What is written here is on the status screen as well."

    def __init__(self, wizard: Wizard) -> None:
        super().__init__("Network setup - done")
        self._wizard = wizard

    def footer(self) -> tuple[str, ...]:
        return ("help", "log_out", "back") if self.console_app.only_setup else self.FOOTER

    def show_body(self, picture: Picture) -> None:
        super().show_body(picture)
        setup = picture.who is not None and picture.who.role.value == "setup"
        node = picture.status.node if picture.status else None
        lines = summary(self._wizard, node, setup=setup)
        width = max(20, self.cells_wide - 4)
        self.set_lines([part for line in lines for part in _wrapped(line, width)])


def summary(wizard: Wizard, node: NodeStatus | None, *, setup: bool) -> Iterable[TextLine]:
    """What a person writes down before they walk away from the rack."""
    values = wizard.values
    own = IPv4Interface(values[ADDRESS])
    yield ("The network is set up.", theme.GOOD)
    yield ("", theme.PLAIN)
    yield (f"  {wizard.card:<14} {own}   (mask {own.netmask})", theme.STRONG)
    yield (f"  {'Gateway':<14} {values['gateway'] or 'none'}", theme.PLAIN)
    yield (f"  {'DNS':<14} {values['dns'] or 'none'}", theme.PLAIN)
    full = ".".join(filter(None, (values["hostname"], values["domain"])))
    yield (f"  {'Name':<14} {full}, {values['role']}", theme.PLAIN)
    yield ("", theme.PLAIN)
    yield ("How to reach it", theme.HEADING)
    yield (f"  ssh loadbalancer@{own.ip}", theme.STRONG)
    yield (f"  ssh loadbalancer@{own.ip} ballast status", theme.PLAIN)
    if node is not None and "loadbalancer" in node.factory:
        yield (FIRST, theme.WARNING)
    yield ("", theme.PLAIN)
    yield ("Next", theme.HEADING)
    if setup:
        yield ("  F10 logs out. Then log in as loadbalancer, here or by SSH:", theme.PLAIN)
    yield (
        "  3 Cluster Configuration, 2 New layer 7 or 3 New layer 4 virtual service.",
        theme.PLAIN,
    )
    yield ("  2 Local Configuration, 2 Network interfaces for the other cards.", theme.PLAIN)


def _wrapped(line: TextLine, width: int) -> Iterable[TextLine]:
    text, style = line
    indent = " " * (len(text) - len(text.lstrip()))
    if len(text) <= width:
        return [line]
    return [(f"{indent}{part}", style) for part in wrap(text.strip(), width - len(indent))]


def _paint(row: tuple[int, TextLine], width: int, _chosen: bool) -> list[Segment]:
    text, style = row[1]
    return [Segment(fit(f"  {text}", width), style)]
