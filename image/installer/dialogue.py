# SPDX-License-Identifier: Apache-2.0
"""The conversation as values: a state and a key make the next state.

A state may carry a wish, which is what the program then does; it never waits for a key meanwhile.
The way to a disk's loss has two questions, and the second is answered with the disk's name: it
cannot be given by holding a key down, nor by what a cable happens to send.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from image.installer.disks import Disk, first_choice, hindrance
from services.errors import ApplianceError

LONGEST = 32
"""Letters of an answer; no disk has a longer name."""


class Stage(StrEnum):
    """Where the conversation is."""

    LOOK = "look"
    """The machine is being looked at."""
    CHOOSE = "choose"
    LOSE = "lose"
    """The first question: what will be lost."""
    NAME = "name"
    """The second: the disk's name."""
    CHECK = "check"
    """The medium is being read; the last moment at which nothing has happened."""
    WRITE = "write"
    VERIFY = "verify"
    DONE = "done"
    FAILED = "failed"
    LEAVE = "leave"


class Wish(StrEnum):
    """What the program is to do now."""

    LOOK = "look"
    INSTALL = "install"
    RESTART = "restart"
    SWITCH_OFF = "switch off"


@dataclass(frozen=True)
class State:
    """The whole conversation so far."""

    needed: int
    """Bytes of the smallest disk that will do."""
    stage: Stage = Stage.LOOK
    disks: tuple[Disk, ...] = ()
    at: int = 0
    """The disk under the cursor, or the one that was chosen."""
    typed: str = ""
    said: str = ""
    """What the last answer was met with."""
    done: int = 0
    total: int = 1
    error: ApplianceError | None = None
    incomplete: str = ""
    """The disk on which an installation was begun and not finished."""
    wish: Wish | None = Wish.LOOK

    @property
    def disk(self) -> Disk | None:
        """The disk under the cursor."""
        return self.disks[self.at] if self.at < len(self.disks) else None


def found(state: State, disks: Sequence[Disk]) -> State:
    """The machine was looked at."""
    at = first_choice(disks, needed=state.needed)
    fresh = replace(state, stage=Stage.CHOOSE, disks=tuple(disks), at=at, typed="", said="")
    return replace(fresh, error=None, wish=None)


def goes_on(state: State, stage: Stage, done: int, total: int) -> State:
    """So much of the work is done. Once it writes, the disk is incomplete until it is done."""
    begun = state.disk.name if stage is Stage.WRITE and state.disk else state.incomplete
    return replace(state, stage=stage, done=done, total=total, incomplete=begun)


def installed(state: State) -> State:
    """Everything was written and read back."""
    return replace(state, stage=Stage.DONE, incomplete="", wish=None)


def failed(state: State, error: ApplianceError) -> State:
    """What was wished for could not be done."""
    return replace(state, stage=Stage.FAILED, error=error, typed="", wish=None)


def given_up(state: State) -> State:
    """The person has stopped it in time: nothing was written."""
    said = "Stopped. Nothing was written."
    return replace(state, stage=Stage.CHOOSE, typed="", said=said, wish=None)


def press(state: State, key: str) -> State:
    """What a key leads to: a printable letter, or `up`, `down`, `enter`, `escape`, `backspace`."""
    match state.stage:
        case Stage.CHOOSE:
            return _choose(state, key)
        case Stage.LOSE:
            return _lose(state, key)
        case Stage.NAME:
            return _name(state, key)
        case Stage.DONE:
            return replace(state, wish=Wish.RESTART) if key == "enter" else state
        case Stage.FAILED:
            return _failed(state, key)
        case Stage.LEAVE:
            return _leave(state, key)
    return state  # at work: only `stops` counts


def stops(state: State, key: str) -> bool:
    """Whether this key ends the work; once the disk is being written to, none does."""
    return state.stage is Stage.CHECK and key == "escape"


def _choose(state: State, key: str) -> State:
    match key:
        case "up":
            return replace(state, at=max(0, state.at - 1), said="")
        case "down":
            return replace(state, at=max(0, min(len(state.disks) - 1, state.at + 1)), said="")
        case "r" | "R":
            return replace(state, stage=Stage.LOOK, wish=Wish.LOOK)
        case "escape":
            return replace(state, stage=Stage.LEAVE, said="")
        case "enter" if state.disk is not None:
            if hindered := hindrance(state.disk, needed=state.needed):
                return replace(state, said=f"{hindered.what} {hindered.do}")
            return replace(state, stage=Stage.LOSE, said="")
    return state


def _lose(state: State, key: str) -> State:
    match key:
        case "y" | "Y":
            return replace(state, stage=Stage.NAME, typed="", said="")
        case "escape" | "n" | "N":
            return given_up(state)
    return replace(state, said="Press y to go on, or n to go back.")


def _name(state: State, key: str) -> State:
    match key:
        case "escape":
            return given_up(state)
        case "backspace":
            return replace(state, typed=state.typed[:-1], said="")
        case "enter" if state.disk is not None:
            if state.typed == state.disk.name:
                fresh = replace(state, stage=Stage.CHECK, said="", done=0, total=1)
                return replace(fresh, wish=Wish.INSTALL)
            said = f"That is not {state.disk.name}; nothing was written."
            return replace(state, typed="", said=said)
    if len(key) == 1 and key.isprintable() and len(state.typed) < LONGEST:
        return replace(state, typed=state.typed + key, said="")
    return state


def _failed(state: State, key: str) -> State:
    match key:
        case "enter":
            return replace(state, stage=Stage.LOOK, wish=Wish.LOOK)
        case "escape":
            return replace(state, stage=Stage.LEAVE, said="")
    return state


def _leave(state: State, key: str) -> State:
    match key:
        case "enter":
            return replace(state, wish=Wish.RESTART)
        case "p" | "P":
            return replace(state, wish=Wish.SWITCH_OFF)
        case "escape":
            return replace(state, stage=Stage.LOOK, wish=Wish.LOOK)
    return state
