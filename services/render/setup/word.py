# SPDX-License-Identifier: Apache-2.0
"""A value as one word of the language it is written in: the second line of defence.

The model's types let nothing through that would need a quote, in any of these languages. This
does not trust them: what is not plain is quoted, and what cannot be is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

_BARE = re.compile(r"[A-Za-z0-9_./:,@%+-]+", re.ASCII)


def _word(value: object, quoted: Callable[[str], str]) -> str:
    if not isinstance(value, str | int | IPv4Address | IPv6Address) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no word for a server's commands")
    text = str(value)
    if _BARE.fullmatch(text) and not text.startswith("-"):
        return text
    if not text.isprintable():
        raise ValueError(f"{text!r} has a control character and cannot stand in a command")
    return quoted(text)


def shell_word(value: object) -> str:
    """For `sh`: in single quotes nothing is special but the quote itself."""
    return _word(value, lambda text: "'" + text.replace("'", "'\\''") + "'")


def powershell_word(value: object) -> str:
    """For PowerShell, where a quote is doubled; it takes typographic ones for quotes too."""
    return _word(
        value, lambda text: "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"
    )


def plain_word(value: object) -> str:
    """For steps that a person takes: nothing reads it but eyes."""
    return _word(value, lambda text: text)
