# SPDX-License-Identifier: Apache-2.0
"""Drafts: each console's pending changes, held here so that a lost line loses nothing.

A draft belongs to an account on a terminal. It is a list of object edits and not a copy of
the document, so two people can work at once and only a change to the same object clashes.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from pydantic import BaseModel, ValidationError

from services.api import Edit
from services.draft import with_edit, without_edit
from services.drivers.files import unable, write_durably
from services.errors import Refused
from services.plan.state import File

LIMIT = 10_000
"""Edits in one draft: far beyond what anybody types, far below what hurts."""


class Draft(BaseModel):
    """Pending edits, one per object, in the order they were first made."""

    key: str
    base: int
    edits: dict[str, Edit] = {}


def draft_key(user: str, terminal: str) -> str:
    """`user@terminal` with nothing in it that a file name could trip over."""
    return f"{_plain(user)}@{_plain(terminal) or 'console'}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:60]


class Drafts:
    """All drafts, on disk and in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o750, exist_ok=True)
        self._open: dict[str, Draft] = {}

    def get(self, key: str, *, base: int) -> Draft:
        """The draft of that key; a new one starts from revision `base`.

        One without edits is not kept: whoever only looks leaves nothing behind.
        """
        draft = self._open.get(key) or self._stored(key)
        if draft is None or not draft.edits:
            return Draft(key=key, base=base)
        return self._open.setdefault(key, draft)

    def _stored(self, key: str) -> Draft | None:
        try:
            return Draft.model_validate_json(self._path(key).read_bytes())
        except (OSError, ValidationError):
            return None

    def put(self, draft: Draft, edit: Edit) -> None:
        """Add an edit, as `services.draft.with_edit` says."""
        if edit.key not in draft.edits and len(draft.edits) >= LIMIT:
            raise Refused(f"The draft holds {LIMIT} changes.", do="Apply them first.")
        self._save(draft, with_edit(draft.edits, edit))

    def drop(self, draft: Draft, key: str) -> None:
        """Forget the edit of one object and, with a service, those of its servers."""
        self._save(draft, without_edit(draft.edits, key))

    def restore(self, draft: Draft) -> None:
        """Put edits back that were applied and have been undone, beneath what came since."""
        since = self.get(draft.key, base=draft.base)
        edits = functools.reduce(with_edit, since.edits.values(), draft.edits)
        self._save(since, edits)

    def discard(self, key: str) -> None:
        """Throw a draft away."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise unable(error, str(path)) from error
        self._open.pop(key, None)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def _save(self, draft: Draft, edits: dict[str, Edit]) -> None:
        """To disk first: an edit that was acknowledged survives the agent."""
        data = draft.model_copy(update={"edits": edits}).model_dump_json().encode()
        write_durably(File(str(self._path(draft.key)), data, 0o640))
        draft.edits = edits
        self._open[draft.key] = draft
