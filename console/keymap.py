# SPDX-License-Identifier: Apache-2.0
"""Every key of the console, once: bindings, footer and help are made from this table.

Function keys get lost in browsers and some keyboards, so each has a plain twin; nothing
needs Shift with a function key, Alt, Ctrl with an arrow, or a mouse, because a text console
or a serial line does not deliver those.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.glyphs import wrap

if TYPE_CHECKING:
    from textual.binding import BindingType

EXPLAINED_WIDTH = 22
"""Cells that explained keys take; what they do begins after them."""


@dataclass(frozen=True)
class Key:
    """What a person presses, and what it is for."""

    id: str
    """Also the name of the action that a screen implements."""
    keys: tuple[str, ...]
    """As Textual names them; the first is the one shown."""
    label: str
    """For the footer: one word or two."""
    help: str
    """For the help screen: a sentence."""

    @property
    def shown(self) -> str:
        """The first key as people write it: `F7`, `h`, `Ctrl+L`."""
        return readable(self.keys[0])


_READABLE = {
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "comma": ",",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "delete": "Del",
    "left": "Left",
    "right": "Right",
    "up": "Up",
    "down": "Down",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
}


def readable(key: str) -> str:
    """Textual's name of a key as it is printed on the keyboard."""
    if key in _READABLE:
        return _READABLE[key]
    if key.startswith("ctrl+"):
        return f"Ctrl+{key[5:].upper()}"
    return key.upper() if len(key) > 1 and key[0] == "f" and key[1:].isdigit() else key


_TABLE = (
    # everywhere
    Key("help", ("f1", "question_mark"), "Help", "This help: the keys of the screen, its fields."),
    Key("menu", ("f2", "m"), "Menu", "Main menu."),
    Key("review", ("f7", "c"), "Review", "Look at the pending changes and apply them."),
    Key("log_out", ("f10", "q"), "Log out", "Back to the status screen."),
    Key("log_in", ("f2", "enter", "m"), "Log in", "Log in, to the System Overview."),
    Key("quit", ("q", "f10"), "Quit", "Leave the console; not on the machine's own screen."),
    Key("power", ("f12", "P"), "Power", "Restart or shut down."),
    Key("repaint", ("ctrl+l",), "Repaint", "Draw the screen again, when something wrote over it."),
    Key("back", ("escape",), "Back", "Back to where you were; a changed form asks first."),
    # lists
    Key("up", ("up", "k"), "Up", "One line up."),
    Key("down", ("down", "j"), "Down", "One line down."),
    Key("page_up", ("pageup",), "Page up", "One page up."),
    Key("page_down", ("pagedown",), "Page down", "One page down."),
    Key("first", ("home",), "First", "To the first line."),
    Key("last", ("end",), "Last", "To the last line."),
    Key("open", ("enter",), "Open", "Open the line, or the actions it offers."),
    Key("filter", ("slash",), "Filter", "Show only lines with these words; Esc clears it."),
    # Overview
    Key(
        "new",
        ("n",),
        "New",
        "New virtual service, real server in the row's service, or entry.",
    ),
    Key("edit", ("e",), "Edit", "Edit what the row stands for."),
    Key("delete", ("x", "delete"), "Delete", "Delete what the row stands for; asks first."),
    Key("halt", ("h",), "Halt", "Take the row's server offline at once; on a VIP all its servers."),
    Key("drain", ("d",), "Drain", "Let the server finish its connections and take no new ones."),
    Key("online", ("o",), "Online", "Bring the server, or all of the VIP, back into service."),
    Key("mark", ("space",), "Mark", "Mark the row: halt, drain and online act on all marked rows."),
    Key("fold", ("left", "minus"), "Fold", "Hide the servers of the VIP."),
    Key("unfold", ("right", "plus"), "Unfold", "Show the servers of the VIP."),
    Key("sort", ("s",), "Sort", "Sort by the next column."),
    Key("sort_reverse", ("S",), "Reverse", "Turn the sorting round."),
    Key("logs", ("l",), "Logs", "Journal entries that name the row's object."),
    Key("refresh", ("r", "f5"), "Refresh", "Read the figures again now."),
    Key("pause", ("p",), "Pause", "Stop or resume the live refresh."),
    Key("slower", ("less_than_sign",), "Slower", "Refresh less often."),
    Key("faster", ("greater_than_sign",), "Faster", "Refresh more often."),
    # reports
    Key("next_page", ("n", "right"), "Next page", "The connections after these."),
    Key("previous_page", ("b", "left"), "Page before", "The connections before these."),
    Key("other_view", ("t",), "Totals", "Between the lines and their totals, or rates."),
    # real servers' set-up, doctor
    Key("system", ("s",), "System", "Choose what runs on the real server."),
    Key("set_up", ("enter",), "Set up", "The commands for the real server of this finding."),
    # forms
    Key("submit", ("f9", "ctrl+s"), "Update", "Take the form's fields into the pending changes."),
    Key("next_field", ("down", "tab"), "Next field", "To the next field."),
    Key("previous_field", ("up", "shift+tab"), "Previous", "To the previous field."),
    Key("store", ("f9", "ctrl+s"), "Store", "Store it at once; nothing of it is pending."),
    Key(
        "store_new",
        ("f4", "ctrl+n"),
        "Store",
        "In the field of a secret or a script: store a new one for it.",
    ),
    Key("line_down", ("down",), "Down", "One line down, or to the next field."),
    Key("line_up", ("up",), "Up", "One line up, or to the field before."),
    Key("field_after", ("tab",), "Next field", "To the next field."),
    Key("field_before", ("shift+tab",), "Previous", "To the field before."),
    # network wizard
    Key("next_step", ("f9", "ctrl+s"), "Next", "On with the next step; asks the wire first."),
    Key("step_back", ("f8", "ctrl+b"), "Step back", "To the step before; what was typed stays."),
    # menus
    Key("choose", ("enter",), "Choose", "Open the line; its digit does so at once."),
    # pending changes
    Key("keep", ("y",), "Keep", "Keep the change that waits for confirmation."),
    Key("undo", ("b",), "Roll back", "Roll the change that waits back now."),
    Key("details", ("tab",), "Other half", "Between the changes and their plan; both scroll."),
    Key("apply", ("f9", "ctrl+s", "a"), "Apply", "Apply all pending changes; asks for a reason."),
    Key("discard", ("x", "delete"), "Discard", "Throw the change of this line away."),
    Key("discard_all", ("D",), "Discard all", "Throw all pending changes away; asks first."),
    Key("keep_mine", ("K",), "Keep mine", "On a clash: mine goes over what somebody changed."),
    Key("take_theirs", ("T",), "Take theirs", "On a clash: drop mine, what runs stays."),
    # revisions
    Key("roll_back", ("b",), "Roll back", "Make this revision the running one again; asks first."),
)

KEYS = {key.id: key for key in _TABLE}

GLOBAL = ("help", "menu", "review", "log_out", "power", "repaint")
"""Work on every screen that is no dialog."""

MOVES = ("up", "down", "page_up", "page_down", "first", "last")


def bindings(*ids: str, ahead: bool = False) -> list[BindingType]:
    """Textual bindings for the keys named; each action has the key's name.

    `ahead`: acted on before the next key is handed on. What somebody types right after Down
    belongs to the field they moved to, however busy the machine is. Not for a key that takes
    what stands in the fields: it would overtake those that are still on their way to one.
    """
    # the table serves a screen without Textual, too
    from textual.binding import Binding

    return [
        Binding(
            ",".join(KEYS[name].keys),
            name,
            KEYS[name].label,
            id=name,
            show=False,
            priority=ahead,
        )
        for name in ids
    ]


def explained(ids: Iterable[str], width: int) -> list[str]:
    """For a help screen: all keys of each action and its sentence, in lines of that width."""
    lines: list[str] = []
    for name in ids:
        key = KEYS[name]
        lines += beside(" ".join(map(readable, key.keys)), key.help, width)
    return lines


def beside(left: str, text: str, width: int) -> list[str]:
    """Something short, and what is to be said of it in a column beside it."""
    first, *rest = wrap(text, max(20, width - EXPLAINED_WIDTH - 2))
    head = f"{left[:EXPLAINED_WIDTH]:<{EXPLAINED_WIDTH}} {first}"
    return [head, *(" " * (EXPLAINED_WIDTH + 1) + line for line in rest)]
