# SPDX-License-Identifier: Apache-2.0
"""One line of ipvsadm taken apart: a command and its options, however they are written.

`ipvsadm -S` writes one way only, but people write rules for `ipvsadm -R` by hand: long options,
values behind `=` or at once, several letters behind one minus, the program's name before it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.exchange.names import Unread
from services.model.base import cleaned

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "A": "add-service", "E": "edit-service", "D": "delete-service", "C": "clear",
        "a": "add-server", "e": "edit-server", "d": "delete-server", "R": "restore", "S": "save",
        "L": "list", "l": "list", "Z": "zero", "h": "help",
    }
)  # fmt: skip
FURTHER_COMMANDS = frozenset({"set", "start-daemon", "stop-daemon"})
_WITH_VALUE: Mapping[str, str] = MappingProxyType(
    {
        "t": "tcp-service", "u": "udp-service", "f": "fwmark-service", "s": "scheduler",
        "M": "netmask", "b": "sched-flags", "r": "real-server", "w": "weight",
        "x": "u-threshold", "y": "l-threshold", "p": "persistent",
    }
)  # fmt: skip
_FURTHER_WITH_VALUE = frozenset({"sctp-service", "pe", "tun-type", "tun-port"})
_BARE: Mapping[str, str] = MappingProxyType(
    {"g": "gatewaying", "i": "ipip", "m": "masquerading", "6": "ipv6", "o": "ops", "n": "numeric"}
)
_FURTHER_BARE = frozenset({"tun-nocsum", "tun-csum", "tun-remcsum"})

_SHORT = {**COMMANDS, **_WITH_VALUE, **_BARE}
_ALL_WITH_VALUE = {*_WITH_VALUE.values(), *_FURTHER_WITH_VALUE}
_ALL_COMMANDS = {*COMMANDS.values(), *FURTHER_COMMANDS}
_ALL = {*_SHORT.values(), *_FURTHER_WITH_VALUE, *_FURTHER_BARE, *FURTHER_COMMANDS}


@dataclass(frozen=True)
class Rule:
    """A line: what is to be done, with which options by their long names."""

    command: str
    options: Mapping[str, str]
    """A bare option's value is empty, and so is that of `persistent` without its time."""


def rule_of(text: str) -> Rule:
    """The rule that a line is; raises `Unread`."""
    words = text.split()
    if words and words[0].rpartition("/")[2] == "ipvsadm":
        words = words[1:]
    command = ""
    options: dict[str, str] = {}
    for name, value in _options(words):
        if name in _ALL_COMMANDS:
            if command:
                raise Unread(f"It has two commands, {command} and {name}.")
            command = name
        elif name in options:
            raise Unread(f"It has {name} twice.")
        else:
            options[name] = value
    if not command:
        raise Unread("It has no command of ipvsadm.")
    return Rule(command, options)


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            if name not in _ALL:
                raise _unknown(word)
            if name in FURTHER_COMMANDS:  # whose words are not taken apart
                yield name, " ".join(reversed(rest))
                return
            if name in _ALL_WITH_VALUE:
                yield name, value if equals else _value(name, rest)
            else:
                yield name, ""
        elif word.startswith("-") and len(word) > 1:
            yield from _letters(word, rest)
        else:
            raise _unknown(word)


def _letters(word: str, rest: list[str]) -> Iterator[tuple[str, str]]:
    for place, letter in enumerate(word[1:], start=2):
        name = _SHORT.get(letter)
        if name is None:
            raise _unknown(word)
        if name not in _ALL_WITH_VALUE:
            yield name, ""
            continue
        yield name, word[place:].removeprefix("=") or _value(name, rest)
        return


def _value(name: str, rest: list[str]) -> str:
    optional = name == "persistent"
    if rest and not (optional and rest[-1].startswith("-")):
        return rest.pop()
    if optional:
        return ""
    raise Unread(f"The value of {name} is missing.")


def _unknown(word: str) -> Unread:
    return Unread(f"`{cleaned(word, 40)}` is no option of ipvsadm that is known.")
