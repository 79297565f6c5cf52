# SPDX-License-Identifier: Apache-2.0
"""The syntax of keepalived.conf: statements of words, in blocks of braces.

What would need another file, another machine's name or a parameter's value is not read: a
statement that has it carries the reason, and whoever reads statements leaves it over whole.

Source: keepalived.conf(5), version 2.2; braces may stand at a line's end, in lines of their own
or, as here only, several in one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from services.exchange.lines import LONGEST, Left, Line

DEEPEST = 12
"""Blocks inside each other; keepalived knows five."""

_WORD = re.compile(
    r"""(?P<blank>\s+)|(?P<comment>[#!].*)|(?P<brace>[{}])
    |(?P<word>(?:\$\{\w*\}|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|\\.|[^\s"'\\{}#!]|\\$)+)""",
    re.VERBOSE,
)
_QUOTED = re.compile(r"""\\(.)|["']""")

CONDITIONAL = "It holds on some machines only, and nobody says on which this is to be."
PARAMETER = "Parameters are not filled in."
INCLUDED = "Files that are included are not followed: import that file too."


@dataclass
class Statement:
    """Words, and the block they open if they open one."""

    line: Line
    words: list[str]
    why: str = ""
    """Why it must not be read; empty: it may be."""
    last: int = 0
    """Its last line."""
    block: list[Statement] | None = None

    @property
    def name(self) -> str:
        """Its first word."""
        return self.words[0]

    def inside(self) -> list[Statement]:
        """The statements of its block."""
        return self.block if self.block is not None else []


@dataclass
class _Parser:
    left: Left
    top: list[Statement] = field(default_factory=list)
    open: list[Statement] = field(default_factory=list)
    """Statements whose block is not closed yet, the innermost last."""
    too_deep: int = 0
    """Blocks open beyond `DEEPEST`."""

    def take(self, line: Line, text: str) -> None:
        """Take in one line."""
        words: list[str] = []
        for kind, piece in _pieces(text):
            if kind == "word":
                words.append(piece)
            elif piece == "{":
                self._open(line, words)
                words = []
            else:
                self._put(line, words)
                words = []
                self._close(line)
        self._put(line, words)

    def end(self, last: int) -> None:
        """Close what the file leaves open."""
        if self.open:
            self.left.add(self.open[-1].line, "Its block is not closed.")
        while self.open:
            self.open.pop().last = last

    def _put(self, line: Line, words: list[str]) -> Statement | None:
        if not words:
            return None
        if self.too_deep:
            return None
        statement = Statement(line, words, _unreadable(words), line.number)
        (self.open[-1].inside() if self.open else self.top).append(statement)
        return statement

    def _open(self, line: Line, words: list[str]) -> None:
        if self.too_deep or len(self.open) == DEEPEST:
            if not self.too_deep:
                self.open[0].why = f"It has more than {DEEPEST} blocks inside each other."
            self.too_deep += 1
            return
        statement = self._put(line, words)
        if statement is None:  # the brace stands in a line of its own
            above = self.open[-1].inside() if self.open else self.top
            statement = above[-1] if above and above[-1].block is None else None
        if statement is None:
            self.left.add(line, "A block begins here, and nothing says what of.")
            statement = Statement(line, ["{"], "It has no name.", line.number)
            (self.open[-1].inside() if self.open else self.top).append(statement)
        statement.block = []
        self.open.append(statement)

    def _close(self, line: Line) -> None:
        if self.too_deep:
            self.too_deep -= 1
        elif self.open:
            self.open.pop().last = line.number
        else:
            self.left.add(line, "A block ends here, and none is open.")


def statements_of(lines: Iterable[Line], left: Left) -> list[Statement]:
    """What the lines say; a line that is of no block's or statement's form is left over."""
    parser = _Parser(left)
    last = 0
    for line, text in _joined(lines):
        last = line.number
        parser.take(line, text)
    parser.end(last)
    return parser.top


def _joined(lines: Iterable[Line]) -> Iterator[tuple[Line, str]]:
    """Lines, with those that end in a backslash and the next in one."""
    begun: Line | None = None
    text = ""
    for line in lines:
        begun = begun or line
        text += line.text
        if text.endswith("\\") and not text.endswith("\\\\") and len(text) < LONGEST:
            text = text[:-1] + " "
            continue
        yield begun, text
        begun, text = None, ""
    if begun is not None:
        yield begun, text


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    for found in _WORD.finditer(text):
        if found.lastgroup == "word":
            yield "word", _QUOTED.sub(lambda quote: quote[1] or "", found[0])
        elif found.lastgroup == "brace":
            yield "brace", found[0]


def _unreadable(words: list[str]) -> str:
    if words[0].startswith("@"):
        return CONDITIONAL
    if re.fullmatch(r"include[rmwba]?", words[0]):
        return INCLUDED
    if any(re.search(r"\$\{?[A-Za-z_]|~(SEQ|LST)\(", word) for word in words):
        return PARAMETER
    return ""
