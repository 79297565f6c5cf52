# SPDX-License-Identifier: Apache-2.0
"""What HAProxy writes about itself: read to explain a failure, and kept from growing.

HAProxy says why it would not load a file in its log only; the master's answer is at best
that it failed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

KEEP = 4 << 20
"""Bytes; a reload writes a line per service, so a log that nobody cuts fills the disk."""

TAIL = 64 << 10

_LINE = re.compile(r"\[(ALERT|WARNING|NOTICE)\]\s+(?:\S+ )?\(\d+\) : (?:config : )?(.*)")
_HELD = re.compile(r"\(Address already in use\) (?:for )?\[(.*?)\](?=$|[^:\]])")
_ABSENT = re.compile(r"\(Cannot assign requested address\) (?:for )?\[(.*?)\](?=$|[^:\]])")
_PLACE = re.compile(r"/[^\s\[\]]*/(?:haproxy|candidate-[^\s/]*)\.cfg")
_SUMMARY = re.compile(
    r"Error\(s\) found in configuration file|Fatal errors found in|Loading failure!"
    r"|Failed to load worker|protocol_bind_all|exited with code|Some protocols failed"
)


class HaproxyLog:
    """The file that HAProxy's standard output and error go to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> int:
        """Where the log ends now; what is too long is thrown away first.

        HAProxy appends, so a file cut under it goes on at its new end.
        """
        try:
            size = self._path.stat().st_size
            if size > KEEP:
                os.truncate(self._path, 0)
                return 0
            return size
        except OSError:
            return 0

    def since(self, mark: int) -> str:
        """What HAProxy complained about since `mark`, in one line."""
        try:
            with self._path.open("rb") as file:
                file.seek(mark)
                return self.told(file.read(TAIL).decode(errors="replace"))
        except OSError:
            return self.told("")

    @staticmethod
    def told(words: str) -> str:
        """HAProxy's complaints in `words`, without process ids and summaries, in one line."""
        alerts: list[str] = []
        others: list[str] = []
        for line in words.split("\n"):
            found = _LINE.search(line)
            text = (found[2] if found else line).strip()
            if not text or _SUMMARY.search(text) or text.startswith(("Success=", "--")):
                continue
            kind = found[1] if found else ""
            if kind == "ALERT":
                alerts.append(text)
            elif kind != "NOTICE":
                others.append(text)
        chosen = list(dict.fromkeys(alerts or others[-3:]))
        clean = _PLACE.sub("haproxy.cfg", "; ".join(text.rstrip(".") for text in chosen[:5]))
        return "".join(sign if sign.isprintable() else "?" for sign in clean)[:800]


def remedy(words: str) -> str:
    """What to do about HAProxy's complaint."""
    if found := _HELD.search(words):
        return f"Something else holds {found[1]}: end it, or use another address or port."
    if found := _ABSENT.search(words):
        return f"Bring the address of {found[1]} up on this unit first."
    if "ile descriptor" in words or "FD limit" in words:
        return "Raise the limit of open files of HAProxy's unit."
    return "Correct the service named; `ballast render` shows the generated file."
