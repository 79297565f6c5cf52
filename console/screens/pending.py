# SPDX-License-Identifier: Apache-2.0
"""Pending changes: what they are, what applying does to traffic, clashes; apply or discard."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.widget import Widget

from console import objects, review, theme
from console.glyphs import fit
from console.keymap import MOVES, bindings
from console.objects import Key
from console.picture import Picture
from console.review import TextLine
from console.screens.apply_dialogs import ApplyDialog, KeepDialog, roll_back
from console.screens.dialog import Ask
from console.screens.frame import Frame
from console.widgets.row_list import RowList
from console.wording import count
from services.api import AccessRole, Applied, Edit, ReviewView
from services.errors import ApplianceError
from services.model import Document

MOST_EDITS_SHOWN = 8
OVER = "Nobody kept it in time: the settings before are back."


class PendingScreen(Frame):
    """Changed objects above, the plan for them below."""

    CRUMBS = "Pending changes"
    ABOUT = (
        "What you changed and nobody runs yet. The lower half says what applying does and what it "
        "does to traffic. F9 applies everything; while a change waits to be confirmed, F9 keeps it."
    )
    FOOTER = ("help", "apply", "discard", "discard_all", "open", "details", "back")
    KEYS = (
        *("apply", "keep", "undo", "open", "discard", "discard_all", "keep_mine", "take_theirs"),
        *("details", "refresh", *MOVES, "back"),
    )
    BINDINGS = bindings(
        *("apply", "keep", "undo", "discard", "discard_all", "keep_mine", "take_theirs"),
        *("details", "refresh", "back"),
    )
    DRAFTERS = (AccessRole.SETUP,)

    def __init__(self) -> None:
        super().__init__()
        self._review: ReviewView | None = None
        self._document: Document | None = None
        self._applied: Applied | None = None
        self._applying = False
        self._waited = False

    def compose_body(self) -> Iterable[Widget]:
        yield RowList[Edit](
            self._paint_edit,
            key=lambda edit: edit.key,
            id="edits",
            empty=[Segment(" No change is pending.", theme.PLAIN)],
        )
        yield RowList[tuple[int, TextLine]](self._paint_line, key=lambda row: row[0], id="lines")

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.edits)
        self.action_refresh()

    def resumed(self) -> None:
        super().resumed()
        if self._review is not None:
            self.action_refresh()

    @property
    def edits(self) -> RowList[Edit]:
        """The changed objects."""
        return self.query_one("#edits", RowList)

    @property
    def text(self) -> RowList[tuple[int, TextLine]]:
        """The plan."""
        return self.query_one("#lines", RowList)

    def footer(self) -> tuple[str, ...]:
        if self._window_open:
            return ("help", "keep", "undo", "back")
        if self._review is not None and self._review.draft.clashes:
            return ("help", "keep_mine", "take_theirs", "discard", "discard_all", "open", "back")
        return self.FOOTER

    @property
    def _window_open(self) -> bool:
        status = self.picture.status
        return status is not None and status.node.confirm is not None

    def resting_words(self) -> tuple[str, Style]:
        return ("Applying ...", theme.PLAIN) if self._applying else ("", theme.PLAIN)

    def show_body(self, picture: Picture) -> None:
        waited = self._applied is not None and self._applied.confirm is not None
        if waited and self._waited and not self._window_open:
            self._ended()
        self._waited = self._window_open

    def _ended(self, applied: Applied | None = None) -> None:
        """Nothing waits to be confirmed any more: do not go on saying so."""
        self._applied = applied
        if self._review is not None and self.is_attached:
            self._show_lines()

    # -- reading ------------------------------------------------------------------------------

    def action_refresh(self) -> None:
        self.read(self._fetch, "reviewing the pending changes")

    async def _fetch(self) -> None:
        appliance = self.console_app.appliance
        found = await appliance.review()
        self._document = (await appliance.document()).document if found.draft.clashes else None
        first, self._review = self._review is None, found
        self.console_app.draft_is(found.draft)
        self._show_review(first=first)

    def _show_review(self, *, first: bool = False) -> None:
        if self._review is None or not self.is_attached:
            return
        edits = self._review.draft.edits
        self.edits.styles.height = max(1, min(MOST_EDITS_SHOWN, len(edits)))
        self.edits.show(edits)
        if first and (clashing := [n for n, edit in enumerate(edits) if self._clashes(edit)]):
            self.edits.move_to(clashing[0])
        self._show_lines()
        self.show(self.picture)

    def _show_lines(self) -> None:
        assert self._review is not None  # noqa: S101 - the caller has looked
        found = review.lines(self._review)
        if self._applied is not None and not self._review.draft.edits:
            found = review.applied_lines(self._applied)
        edit = self.edits.current
        if edit is not None and self._clashes(edit) and self._document is not None:
            theirs = objects.find_bare(self._document, Key(edit.key))
            found = [*review.clash_lines(edit, theirs), ("", theme.PLAIN), *found]
        self.text.show([(number, line) for number, line in enumerate([("", theme.PLAIN), *found])])

    def _clashes(self, edit: Edit) -> bool:
        return self._review is not None and any(
            clash.key == edit.key for clash in self._review.draft.clashes
        )

    @on(RowList.Moved)
    def _moved(self) -> None:
        if self.focused is self.edits and self._review is not None:
            self._show_lines()

    def action_details(self) -> None:
        self.set_focus(self.text if self.focused is self.edits else self.edits)

    @on(RowList.Chosen)
    def _open(self) -> None:
        from console.screens.interface_form import InterfaceForm
        from console.screens.layer4_advanced_form import Layer4AdvancedForm
        from console.screens.local_form import LocalForm
        from console.screens.nat_form import NatForm
        from console.screens.server_form import ServerForm
        from console.screens.service_form import form_of

        edit = self.edits.current
        if edit is None or self.focused is not self.edits:
            return
        if edit.after is None:
            self.say("This one is to be deleted; x takes that back.")
            return
        match Key(edit.key).parts:
            case ("local",):
                LocalForm.open(self.console_app)
            case ("local", name):
                InterfaceForm.open(self.console_app, name)
            case ("layer4_advanced",):
                Layer4AdvancedForm.open(self.console_app)
            case ("nat", entry):
                NatForm.open(self.console_app, int(entry))
            case (layer, service):
                form_of(layer).open(self.console_app, int(service))
            case (layer, service, server):
                ServerForm.open(self.console_app, int(service), int(server), layer)

    # -- applying -----------------------------------------------------------------------------

    def action_apply(self) -> None:
        if self._window_open:
            self.action_keep()
        elif self.console_app.may(*self.DRAFTERS):
            self.once(self._apply, "applying")

    async def _apply(self) -> None:
        app = self.console_app
        found = await app.appliance.review()
        self._review = found
        self._show_review()
        draft = found.draft
        if not draft.edits:
            self.say("No change is pending.", theme.WARNING)
        elif draft.clashes:
            self.say(
                "Somebody changed the same: keep yours (K) or take theirs (T) first.", theme.BAD
            )
        elif found.plan is None:
            self.say("Correct the problems first; Enter opens the form.", theme.BAD)
        elif found.plan.lacking:
            lacking = found.plan.lacking[0]
            self.say(f"{lacking.what} {lacking.do}", theme.BAD)
        else:
            wish = await app.push_screen_wait(ApplyDialog(found.plan, len(draft.edits)))
            if wish is None:
                self.say("Nothing was applied.")
                return
            self._applying = True
            self.hush()
            try:
                applied = await app.appliance.apply_draft(wish)
            except ApplianceError as error:
                self._applying = False
                await self._explain(error)
            else:
                self._applying = False
                await self._done(applied)

    async def _explain(self, error: ApplianceError) -> None:
        self.hush()
        self.action_refresh()
        await self.console_app.push_screen_wait(
            Ask(
                "Not applied",
                [error.what, "", error.do],
                options=[("ok", "Back to the changes")],
                default="ok",
                alarm=True,
            )
        )

    async def _done(self, applied: Applied) -> None:
        app = self.console_app
        self._applied = applied
        app.watching.now()
        self.action_refresh()
        if applied.confirm is None:
            app.say(f"Applied: revision {applied.revision} runs.", bad=False)
        else:
            await self._ask_to_keep()

    def action_keep(self) -> None:
        if self._window_open and self.console_app.may(*self.DRAFTERS):
            self.once(self._ask_to_keep, "confirming")

    def action_undo(self) -> None:
        if self._window_open and self.console_app.may(*self.DRAFTERS):
            self.once(self._undo, "rolling back")

    async def _ask_to_keep(self) -> None:
        app = self.console_app
        answer = await app.push_screen_wait(KeepDialog())
        match answer:
            case "keep":
                applied = await app.appliance.confirm()
                self._ended(applied)
                app.say(f"Kept: revision {applied.revision} runs.", bad=False)
            case "undo":
                await self._undo()
            case "kept":
                app.say("Somebody kept it meanwhile.", bad=False)
            case "gone":
                app.say(OVER)
                self.action_refresh()
            case _:
                self.say("It still waits: F9 asks again.", theme.WARNING)
        app.watching.now()

    async def _undo(self) -> None:
        applied = await roll_back(self.console_app)
        if applied is None:
            self.console_app.say(OVER)
        else:
            self.console_app.say(f"Rolled back: revision {applied.revision} runs.", bad=False)
        self._ended()
        self.console_app.watching.now()
        self.action_refresh()

    # -- discarding ---------------------------------------------------------------------------

    def action_discard(self) -> None:
        if (edit := self.edits.current) is not None and self.console_app.may(*self.DRAFTERS):
            self.once(lambda: self._drop(edit), "discarding a change")

    async def _drop(self, edit: Edit) -> None:
        app = self.console_app
        draft = await app.appliance.drop_edit(edit.key)
        app.draft_is(draft)
        self.say(f"The change of {edit.label or edit.key} was discarded.", theme.GOOD)
        self.action_refresh()

    def action_discard_all(self) -> None:
        if self.console_app.may(*self.DRAFTERS):
            self.once(self._discard_all, "discarding all changes")

    async def _discard_all(self) -> None:
        app = self.console_app
        number = len(self.edits.rows)
        if not number:
            self.say("No change is pending.", theme.WARNING)
            return
        answer = await app.push_screen_wait(
            Ask(
                "Discard all pending changes",
                [f"{count(number, 'change')} will be lost. What runs stays as it is."],
                options=[("yes", "Yes, discard all"), ("no", "No")],
                default="no",
                alarm=True,
            )
        )
        if answer == "yes":
            app.draft_is(await app.appliance.discard())
            self.say("All pending changes were discarded.", theme.GOOD)
            self.action_refresh()

    # -- clashes ------------------------------------------------------------------------------

    def action_keep_mine(self) -> None:
        edit = self.edits.current
        if edit is None or not self._clashes(edit):
            self.say("This change does not clash with anybody's.", theme.WARNING)
        elif self.console_app.may(*self.DRAFTERS):
            self.once(lambda: self._keep_mine(edit), "keeping a change")

    async def _keep_mine(self, edit: Edit) -> None:
        app = self.console_app
        running = (await app.appliance.document()).document
        theirs = objects.find_bare(running, Key(edit.key))
        draft = await app.appliance.edit(edit.model_copy(update={"before": theirs}))
        app.draft_is(draft)
        if any(clash.key == edit.key for clash in draft.clashes):
            self.say("It cannot be kept: what it belongs to is gone. T takes theirs.", theme.BAD)
        else:
            self.say(f"Yours is kept for {edit.label or edit.key}.", theme.GOOD)
        self.action_refresh()

    def action_take_theirs(self) -> None:
        edit = self.edits.current
        if edit is None or not self._clashes(edit):
            self.say("This change does not clash with anybody's.", theme.WARNING)
        elif self.console_app.may(*self.DRAFTERS):
            self.once(lambda: self._drop(edit), "taking theirs")

    def _paint_edit(self, edit: Edit, width: int, chosen: bool) -> list[Segment]:
        clash = self._clashes(edit)
        style = theme.BAD if clash else theme.PLAIN
        if chosen:
            style = theme.CURSOR if self.focused is self.edits else theme.STRONG
        kind = fit(Key(edit.key).kind, 16)
        text = f" {review.sign(edit)} {fit(edit.label or edit.key, 40)} {kind}"
        return [Segment(fit(text + (" clashes" if clash else ""), width), style)]

    def _paint_line(self, row: tuple[int, TextLine], width: int, chosen: bool) -> list[Segment]:
        text, style = row[1]
        mark = ">" if chosen and self.focused is self.text else " "
        return [Segment(fit(mark + text, width), style)]
