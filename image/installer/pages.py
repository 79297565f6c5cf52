# SPDX-License-Identifier: Apache-2.0
"""What stands on the screen in each state: lines of plain ASCII, at most 80 by 24.

ASCII, because a serial line may end in any terminal. The first line is the title and the last the
keys; both are painted in reverse, so neither means anything by its colour.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from image.installer.dialogue import Stage, State
from image.installer.disks import Disk, hindrance, holds_appliance, size_words

WIDTH = 79
HEIGHT = 24
"""One column is left free: some terminals begin a new line behind the last one."""
MOST_DISKS = 12
MOST_PARTS = 9
_BAR = 50
_INDENT = "  "


@dataclass(frozen=True)
class Page:
    """The lines of a screen."""

    title: str
    body: tuple[str, ...]
    keys: str

    def lines(self) -> tuple[str, ...]:
        """All of them, the keys at the bottom."""
        body = [line[:WIDTH] for line in self.body[: HEIGHT - 3]]
        empty = [""] * (HEIGHT - 2 - len(body))
        return (self.title[:WIDTH].ljust(WIDTH), *body, *empty, self.keys[:WIDTH].ljust(WIDTH))


def page(state: State, *, version: str) -> Page:
    """The screen for this state."""
    body, keys = _PAGES[state.stage](state)
    return Page(f" Ballast {version} installer", ("", *body), f" {keys}")


Content = tuple[list[str], str]


def _look(_: State) -> Content:
    return _words("Looking for the disks of this machine and for the medium ..."), "One moment"


def _choose(state: State) -> Content:
    if not state.disks:
        lines = _words(
            "This machine has no disk that Ballast could be installed on.",
            "Connect one, or make one of the RAID controller's volumes; then press r.",
        )
        return [*lines, "", *_words(state.said)], "r Look again   Esc Leave"
    lines = _words("Choose the disk to install on. Everything on it will be lost.")
    lines += ["", f"    {'Name':<8} {'Size':>10}  {'Model':<18} {'Serial number':<15}"]
    first = max(0, min(state.at - MOST_DISKS // 2, len(state.disks) - MOST_DISKS))
    shown = state.disks[first : first + MOST_DISKS]
    lines += [_row(state, disk, here=disk is state.disk) for disk in shown]
    if more := len(state.disks) - len(shown):
        lines.append(f"    ({more} more)")
    return [
        *lines,
        "",
        *_words(state.said),
    ], "Up/Down Choose   Enter Install on it   r Look again   Esc Leave"


def _row(state: State, disk: Disk, *, here: bool) -> str:
    """A line of the list; of a long serial number the end, in which a maker's disks differ."""
    hindered = hindrance(disk, needed=state.needed)
    notes = [hindered.short] if hindered else []
    notes += ["removable"] if disk.removable else []
    return (
        f"  {'>' if here else ' '} {disk.name:<8} {size_words(disk.size):>10}"
        f"  {disk.model[:18]:<18} {disk.serial[-15:]:<15} {' '.join(notes)}"
    )


def _lose(state: State) -> Content:
    if state.disk is None:
        return _choose(state)
    lines = [*_named(state.disk), ""]
    if not state.disk.parts:
        lines += _words("No partitions are on it; whatever else is will be lost.")
    elif holds_appliance(state.disk):
        lines += _words("A Ballast is on it. It and its configuration will be lost:")
    else:
        lines += _words("This will be lost:")
    for part in state.disk.parts[:MOST_PARTS]:
        lines.append(f"    {part.name:<12} {size_words(part.size):>10}  {part.content}")
    if (more := len(state.disk.parts) - MOST_PARTS) > 0:
        lines.append(f"    and {more} more")
    lines += ["", *_words(f"Erase {state.disk.name} and install Ballast on it?"), ""]
    return [*lines, *_words(state.said)], "y Yes, erase it   n No, back"


def _name(state: State) -> Content:
    if state.disk is None:
        return _choose(state)
    lines = [*_named(state.disk), ""]
    lines += _words(
        f"Once more: everything on {state.disk.name} will be lost, and nothing brings it back.",
        f"To go on, type the disk's name, {state.disk.name}, and press Enter:",
    )
    lines += ["", f"  > {state.typed}_", ""]
    return [*lines, *_words(state.said)], "Enter Erase and install   Esc Back, nothing is written"


def _check(state: State) -> Content:
    lines = _words("Checking the medium. Nothing is written yet.")
    return [*lines, "", _bar(state)], "Esc Stop, nothing is written"


def _write(state: State) -> Content:
    lines = _words(f"Writing Ballast to {state.incomplete}.")
    return [*lines, "", _bar(state)], "Leave the machine on and the medium in"


def _verify(state: State) -> Content:
    lines = _words(f"Reading {state.incomplete} back and comparing.")
    return [*lines, "", _bar(state)], "Leave the machine on and the medium in"


def _done(state: State) -> Content:
    name = state.disk.name if state.disk else "the disk"
    return _words(
        f"Ballast is installed on {name}, and what was written was read back and is right.",
        "",
        "Remove the medium, then press Enter to restart.",
        "",
        "The machine then shows its status screen: its address, and how to log in. The first "
        "start takes a minute longer than later ones.",
    ), "Enter Restart"


def _failed(state: State) -> Content:
    error = state.error
    lines = _words(error.what, "", error.do) if error else []
    return [*lines, "", *_words(_left(state))], "Enter Begin again   Esc Leave"


def _leave(state: State) -> Content:
    lines = _words(_left(state), "", "Remove the medium, then press Enter to restart.")
    return lines, "Enter Restart   p Switch off   Esc Back"


def _left(state: State) -> str:
    """In which state the disks are."""
    if name := state.incomplete:
        return f"{name} was erased and is not complete: it does not start until Ballast is on it."
    return "Nothing was written to a disk."


_PAGES = {
    Stage.LOOK: _look,
    Stage.CHOOSE: _choose,
    Stage.LOSE: _lose,
    Stage.NAME: _name,
    Stage.CHECK: _check,
    Stage.WRITE: _write,
    Stage.VERIFY: _verify,
    Stage.DONE: _done,
    Stage.FAILED: _failed,
    Stage.LEAVE: _leave,
}


def _named(disk: Disk) -> list[str]:
    facts = [f"{disk.name}: {size_words(disk.size)}"]
    facts += [disk.model] if disk.model else []
    facts += [f"serial number {disk.serial}"] if disk.serial else []
    facts += ["removable"] if disk.removable else []
    return _words(", ".join(facts))


def _bar(state: State) -> str:
    share = min(1.0, state.done / max(1, state.total))
    full = int(share * _BAR)
    return f"  [{'#' * full}{'.' * (_BAR - full)}] {int(share * 100):>3} %"


def _words(*paragraphs: str) -> list[str]:
    """Paragraphs as lines; one without words is an empty line between two."""
    lines: list[str] = []
    for each in paragraphs:
        filled = textwrap.wrap(each, WIDTH - 2, initial_indent=_INDENT, subsequent_indent=_INDENT)
        lines += filled or ([""] if len(paragraphs) > 1 else [])
    return lines
