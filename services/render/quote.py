# SPDX-License-Identifier: Apache-2.0
"""Quoting for HAProxy's configuration language: the second line of defence.

The first one is the model, whose types cannot carry a newline. This one does not trust
them: a field that got past is quoted so that it stays one word, and one that cannot be
quoted is refused.
"""

from __future__ import annotations

import re
from pathlib import PurePath

_BARE = re.compile(r"[A-Za-z0-9_./:,@%+=\[\]-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def haq(value: object) -> str:
    """One word of HAProxy's file: bare if it may be, else in single quotes.

    Inside single quotes HAProxy expands and escapes nothing; a single quote itself is
    written outside of them. Raises `ValueError` for a control character and `TypeError`
    for anything that is neither text, number nor path, such as a forgotten `None`.
    """
    if type(value) is int:  # before anything else: most fields of a large file are numbers
        return str(value)
    if not isinstance(value, str | PurePath):
        raise TypeError(f"{value!r} is no word for haproxy.cfg")
    text = str(value)
    if _BARE.fullmatch(text):
        return text
    if _CONTROL.search(text):
        raise ValueError(f"{text!r} has a control character and cannot stand in haproxy.cfg")
    return "'" + text.replace("'", "'\\''") + "'"
