# SPDX-License-Identifier: Apache-2.0
"""A form: the fields of one object, made from the model, taken into the pending changes.

What is typed is judged twice before it leaves the form, by the model and by the rules
between objects in the draft's document, so that everything wrong is told at once and beside
its field. The agent judges again; nothing here is trusted there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.containers import VerticalScroll
from textual.widget import Widget

from console import fields, objects, theme
from console.fields import FieldSpec, Kind
from console.glyphs import fit, wrap
from console.keymap import bindings
from console.objects import Key, Object
from console.picture import Picture
from console.screens.frame import Frame
from console.widgets.field import ChoiceField, Field, TextField, ToggleField
from console.widgets.lines import Lines
from services.api import AccessRole, Edit
from services.check import check
from services.errors import ApplianceError, Problem
from services.model import Document

if TYPE_CHECKING:
    from console.app import ConsoleApp

PATIENCE_S = 0.5
"""Longer than this a person wonders whether the key was seen."""
COUNTDOWN = (
    "A change of addresses or gateways is applied with a countdown: what nobody confirms comes "
    "back by itself."
)


@dataclass(frozen=True)
class Subject:
    """What a form is about, as it was when the form was opened."""

    key: Key
    before: Object | None
    """As the draft will be told; None: it is new."""
    values: Object
    """What the fields begin with."""
    document: Document
    """The draft's document, against which the form is judged."""
    label: str


async def subject(app: ConsoleApp, key: Key) -> Subject:
    """The object as it is now, with what is pending for it; `before` None if it is new."""
    draft = await app.appliance.draft()
    running = (await app.appliance.document()).document
    document = draft.document or objects.with_edits(running, draft.edits)
    edit = next((edit for edit in draft.edits if edit.key == key.text), None)
    found = objects.find_bare(running, key)
    before = edit.before if edit is not None else found
    values = (edit.after if edit is not None else None) or found
    return Subject(
        key,
        before=before,
        values=values or fields.defaults(key.model),
        document=document,
        label=objects.label_of(document, key),
    )


class _Fields(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Scrolls to the focused field; the arrows are the form's."""


class Form(Frame):
    """One object; subclasses say which and give hints."""

    FOOTER: ClassVar[tuple[str, ...]] = ("help", "submit", "next_field", "previous_field", "back")
    KEYS: ClassVar[tuple[str, ...]] = ("submit", "next_field", "previous_field", "back")
    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings("next_field", "previous_field", ahead=True),
        *bindings("submit", "back"),
    ]
    WITHOUT: tuple[str, ...] = ()
    """Fields that the object's key says already."""
    ROLES: tuple[AccessRole, ...] = ()
    """Who besides administrators may use it."""

    def __init__(self, about: Subject, title: str) -> None:
        super().__init__()
        self.subject = about
        self._title = title
        self._specs = fields.specs(about.key.model, without=self.WITHOUT)
        self._begin: dict[str, Any] = {}
        self._busy = False

    def compose_body(self) -> Iterable[Widget]:
        with _Fields(id="fields"):
            group = ""
            for spec in self._specs:
                if spec.group != group:
                    group = spec.group
                    heading = Segment(fit(f"  {group}", 40), theme.HEADING)
                    yield Lines([(), (heading,)], classes="group")
                yield self._field(spec)
        yield Lines(id="hints")
        yield Lines(id="about")

    def begin(self) -> None:
        super().begin()
        self._begin = self._values()
        self._show_in_use()
        first = next(iter(self.query(Field)), None)
        if first is not None:
            self.set_focus(first)

    def crumbs(self) -> str:
        return self._title

    def about(self) -> list[str]:
        lines = [
            (
                f"{self.ABOUT} F9 takes it into the pending changes; nothing runs before you apply "
                "them (F7)."
            ),
            "Fields",
        ]
        return [
            *lines,
            *(f"{spec.title}\n{spec.help} {spec.hint}".rstrip() for spec in self._specs),
        ]

    def hints(self) -> list[str]:
        """What somebody setting this up should know, from what is typed so far."""
        return []

    def idle(self) -> set[str]:
        """Names of the fields that have no use with what is typed so far: they are not shown."""
        return set()

    def unsaved(self) -> bool:
        return self._values() != self._begin

    def show_body(self, picture: Picture) -> None:
        self._show_help()

    def resting_words(self) -> tuple[str, Style]:
        wrong = sum(1 for field in self.query(Field) if field.errors)
        if wrong:
            words = "field has" if wrong == 1 else "fields have"
            return (f"{wrong} {words} to be corrected; see the red lines.", theme.BAD)
        return ("", theme.PLAIN)

    # -- keys ---------------------------------------------------------------------------------

    def action_next_field(self) -> None:
        self.focus_next(Field)

    def action_previous_field(self) -> None:
        self.focus_previous(Field)

    def action_submit(self) -> None:
        if self._busy or not self.console_app.may(*self.ROLES):
            return
        self._busy = True
        self.set_timer(PATIENCE_S, self._still)
        self.console_app.ask(self._submit, "updating the pending changes")

    def _still(self) -> None:
        if self._busy:
            self.say("Waiting for the agent's answer ...")

    @on(TextField.Submitted)
    def _entered(self) -> None:
        self.focus_next(Field)

    @on(Field.Changed)
    def _edited(self) -> None:
        self._show_in_use()
        self._show_hints()

    def on_descendant_focus(self) -> None:
        self._show_help()

    # -- what F9 does ---------------------------------------------------------------------------

    async def _submit(self) -> None:
        try:
            await self._update()
        except ApplianceError as error:
            self.say(f"{error} What you typed is still here.", theme.BAD)
        finally:
            self._busy = False

    async def _update(self) -> None:
        about = self.subject
        values = {spec.path: spec.taken(self._field_of(spec).value) for spec in self._specs}
        base = {**about.values, **self._fixed()}
        model, problems = fields.judged(about.key.model, base, values)
        if model is not None:
            after = objects.put(about.document, about.key, model)
            problems = await asyncio.to_thread(self._met, about.document, after)
        if model is None or problems:
            self._explain(problems)
            return
        bare = objects.bare(model)
        label = objects.label_of(objects.put(about.document, about.key, model), about.key)
        draft = await self.console_app.appliance.edit(
            Edit(key=about.key.text, before=about.before, after=bare, label=label)
        )
        self.console_app.draft_is(draft)
        self.console_app.close(self)
        self.updated(label)
        if any(clash.key == about.key.text for clash in draft.clashes):
            self.console_app.say(
                f"{label}: somebody changed it meanwhile. F7 shows both; yours is kept."
            )

    def updated(self, label: str) -> None:
        """The change is pending: tell so, where the person is now."""
        self.console_app.say(f"{label} is among the pending changes. F7 reviews them.", bad=False)

    def _met(self, before: Document, after: Document) -> tuple[Problem, ...]:
        """The problems that this object brings, with paths counted from it."""
        known = {(problem.what, problem.do) for problem in check(before)}
        place = objects.place_of(after, self.subject.key) or ("nowhere",)
        found = []
        for problem in check(after):
            if problem.path[: len(place)] == place and not self._is_childs(problem, len(place)):
                found.append(Problem(problem.path[len(place) :], problem.what, problem.do))
            elif (problem.what, problem.do) not in known:
                found.append(Problem((), problem.what, problem.do))
        return tuple(found)

    def _is_childs(self, problem: Problem, depth: int) -> bool:
        child = objects.CHILDREN.get(self.subject.key.model)
        return child is not None and problem.path[depth : depth + 1] == (child,)

    def _explain(self, problems: Iterable[Problem]) -> None:
        rest = list(problems)
        first: Field | None = None
        for spec in self._specs:
            mine = [problem for problem in rest if fields.belongs(problem, spec.path)]
            rest = [problem for problem in rest if problem not in mine]
            field = self._field_of(spec)
            field.refuse([f"{problem.what} {problem.do}" for problem in mine])
            field.display = field.display or bool(mine)
            if mine and first is None:
                first = field
        self.hush()
        if rest:
            self.say(" ".join(f"{problem.what} {problem.do}" for problem in rest), theme.BAD)
        if first is not None:
            self.set_focus(first)
        self.show(self.picture)

    def _fixed(self) -> Mapping[str, Any]:
        """What the object's key says about it."""
        match self.subject.key.parts:
            case ("layer4" | "layer7" | "nat", *ids):
                return {"id": int(ids[-1])}
            case ("local", name):
                return {"name": name}
        return {}

    # -- fields -------------------------------------------------------------------------------

    def _field(self, spec: FieldSpec) -> Field:
        value = spec.shown(fields.value_at(self.subject.values, spec.path))
        match spec.kind:
            case Kind.TOGGLE:
                return ToggleField(spec.title, bool(value), name=spec.name, hint=spec.hint)
            case Kind.CHOICE:
                return ChoiceField(
                    spec.title, str(value), options=spec.options, name=spec.name, hint=spec.hint
                )
            case _:
                return TextField(spec.title, str(value), name=spec.name, hint=spec.hint)

    def _field_of(self, spec: FieldSpec) -> Field:
        return next(field for field in self.query(Field) if field.name == spec.name)

    def _values(self) -> dict[str, Any]:
        return {field.name or "": field.value for field in self.query(Field)}

    def value_of(self, name: str) -> str:
        """What stands in a field now, as text; empty if there is no such field."""
        return str(self._values().get(name, ""))

    def _show_in_use(self) -> None:
        idle = self.idle()
        for field in self.query(Field):
            # one that is refused is shown whatever it is for, with its sentence
            field.display = field.name not in idle or bool(field.errors)

    def _show_help(self) -> None:
        focused = self.focused
        spec = next((s for s in self._specs if focused and s.name == focused.name), None)
        text = spec.help if spec else ""
        lines = wrap(text, max(20, self.cells_wide - 2))
        self.query_one("#about", Lines).show([[Segment(f" {line}", theme.FAINT)] for line in lines])
        self._show_hints()

    def _show_hints(self) -> None:
        width = max(20, self.cells_wide - 4)
        lines = [line for hint in self.hints() for line in wrap(hint, width)]
        self.query_one("#hints", Lines).show(
            [[Segment(f"  {line}", theme.FAINT)] for line in lines]
        )
