# SPDX-License-Identifier: Apache-2.0
"""Every deliberate error of Ballast says what happened and what to do about it.

    ApplianceError
    ├── Refused               the request cannot be carried out as it stands      (exit 1)
    │   ├── ConfigInvalid     the document has problems, all of them listed
    │   ├── EditConflict      somebody else changed the same objects meanwhile
    │   ├── NotFound          the object or revision named does not exist
    │   └── Forbidden         this account may not do that
    └── Unable                the appliance could not                             (exit 3)
        ├── CommandFailed     a program is missing, failed or ran out of time
        ├── ApplyFailed       a change was begun and undone
        └── Unreachable       the agent does not answer

The exit status belongs to the class, so that the command line, the API and the console
agree on which failures are the person's to mend and which the appliance's.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class ApplianceError(Exception):
    """Base of all: `what` happened, and what to `do` next."""

    exit_status: ClassVar[int] = 3
    """What a command line that meets this error exits with."""
    http_status: ClassVar[int] = 500
    """What the socket API answers with."""

    def __init__(self, what: str, *, do: str) -> None:
        super().__init__(what)
        self.what = what
        """One sentence, present tense, naming the object."""
        self.do = do
        """The next action for the administrator, in the imperative."""

    def __str__(self) -> str:
        return f"{self.what} {self.do}"


class Refused(ApplianceError):
    """The request cannot be carried out as it stands; nothing was changed."""

    exit_status = 1
    http_status = 422


class NotFound(Refused):
    """The object or revision named does not exist."""

    http_status = 404


class Forbidden(Refused):
    """This account may not do that."""

    http_status = 403


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field: where, what, and the remedy."""

    path: tuple[str | int, ...]
    """From the document's root, e.g. `("cluster", "layer7", 0, "ports")`."""
    what: str
    do: str

    @property
    def where(self) -> str:
        """The path as people write it: `cluster.layer7[0].ports`."""
        text = ""
        for step in self.path:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text or "document"

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.do}"


class ConfigInvalid(Refused):
    """All problems at once: an administrator mends a document in one pass, not in ten."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(
            f"The configuration has {count} problem{'s' if count != 1 else ''}.",
            do="Correct the fields named; nothing was changed.",
        )
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([f"{self.what} {self.do}", *(f"  {found}" for found in self.problems)])


@dataclass(frozen=True)
class Clash:
    """One object which two people changed."""

    key: str
    """The object's key, e.g. `layer7/7`; see `services.draft`."""
    what: str
    """A sentence: who changed what underneath."""


class EditConflict(Refused):
    """Somebody else changed the same objects meanwhile; both versions are kept."""

    http_status = 409

    def __init__(self, clashes: Sequence[Clash]) -> None:
        super().__init__(
            "The configuration changed under this edit: "
            + " ".join(clash.what for clash in clashes),
            do="Look at each and keep yours or take theirs; nothing you typed is lost.",
        )
        self.clashes = tuple(clashes)


class Unable(ApplianceError):
    """The appliance could not do it."""


class CommandFailed(Unable):
    """A program is missing, failed or ran out of time; `said` holds its own words."""

    def __init__(self, argv: Sequence[str], reason: str, said: str, *, do: str) -> None:
        # the sentence has a full stop of its own
        first = " ".join(said.split())[:500].rstrip(".")
        super().__init__(f"{argv[0]} {reason}{': ' + first if first else ''}.", do=do)
        self.command = shlex.join(argv)
        self.said = said


class ApplyFailed(Unable):
    """A change was begun and undone."""


class Unreachable(Unable):
    """The agent does not answer."""

    http_status = 503
