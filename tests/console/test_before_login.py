# SPDX-License-Identifier: Apache-2.0
"""The status screen before login: the same picture as the console's, painted without Textual.

What it does on a terminal, and to the login behind it, is in `test_tty.py`.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from os import terminal_size

import pytest
from rich.segment import Segment

from console import theme
from console.before_login import Line, _row, pressed, screenful
from console.glyphs import DRAWABLE, LATIN
from console.picture import Picture
from services.errors import Unreachable
from tests.console.test_pictures import compare
from tests.fakes import scenes
from tests.tree import ROOT

SMALL = terminal_size((80, 24))
SIZES = (SMALL, terminal_size((132, 43)))
HOSTILE = "\x1b[31mlb\x07\u202e\n" * 30


def text(lines: list[Line]) -> str:
    return "\n".join("".join(piece.text for piece in line).rstrip() for line in lines)


async def small() -> Picture:
    fake = scenes.small()
    return Picture(status=await fake.status(), who=await fake.whoami())


async def test_it_looks_as_the_consoles_own_status_screen() -> None:
    compare("status screen", text(screenful(await small(), SMALL)), renew=False)


@pytest.mark.parametrize("size", SIZES)
async def test_it_has_as_many_lines_as_the_terminal_whatever_is_to_be_said(
    size: terminal_size,
) -> None:
    found = await small()
    assert found.status is not None
    node = found.status.node.model_copy(
        update={"notices": (HOSTILE,) * 9, "factory": ("setup", "loadbalancer", "root")}
    )
    full = replace(found, status=found.status.model_copy(update={"node": node}))
    lost = replace(found, lost=Unreachable("The agent is gone.", do=HOSTILE), lost_s=60)
    for picture in (Picture(), found, full, lost):
        for helping in (False, True):
            lines = screenful(picture, size, helping=helping)
            assert len(lines) == size.lines
            assert "F2 Log in" in text(lines).splitlines()[-1]


def test_a_terminal_that_is_too_small_is_told_what_is_needed() -> None:
    assert text(screenful(Picture(), terminal_size((79, 24)))) == (
        "terminal too small: 80x24 needed"
    )


def test_a_machine_that_starts_says_so_and_a_silent_agent_what_it_means() -> None:
    silent = Picture(lost=Unreachable("The agent does not answer.", do="Wait."))
    assert "Ballast is starting ..." in text(screenful(replace(silent, starting=True), SMALL))
    assert "what was balanced is balanced on" in text(screenful(silent, SMALL))


def test_a_row_is_as_wide_as_the_terminal_and_holds_nothing_but_signs_and_plain_colours() -> None:
    line = [Segment(" a", theme.TITLE), Segment(HOSTILE, theme.ALARM)]
    row = _row(line, 40)
    shown = "".join(piece.partition("m")[2] for piece in row.split("\x1b["))
    assert len(shown) == 40
    assert set(shown) <= DRAWABLE | LATIN
    assert _row(line[:1], 4) == "\x1b[1;97;44m a\x1b[0m\x1b[1;97;44m  \x1b[0m"


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("\x1b[[A\x1b[[B", ["f1", "f2"]),  # a Linux console
        ("\x1bOP\x1bOQ", ["f1", "f2"]),  # an xterm
        ("\x1b[11~\x1b[12~\x1b[18~\x1b[21~\x1b[24~", ["f1", "f2", "f7", "f10", "f12"]),
        ("\rP?\x0c", ["enter", "P", "question_mark", "ctrl+l"]),
        ("\x1b[A\x1b[5~\x1bm", ["escape", "escape", "escape", "m"]),
        ("\x1b[1;5B", ["escape"]),
        ("\x00ä\x1b", ["\x00", "ä", "escape"]),
    ],
)
def test_what_a_terminal_sends_is_read_as_the_keys_of_the_table(
    typed: str, keys: list[str]
) -> None:
    assert pressed(typed) == keys


def test_it_loads_neither_textual_nor_the_model() -> None:
    unwelcome = {"textual", "services.api", "services.model", "jinja2", "yaml"}
    loads = "import console.before_login, services.looking, sys"
    code = f"{loads}; print({unwelcome} & {{*sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "set()\n"
