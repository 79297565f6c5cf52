# SPDX-License-Identifier: Apache-2.0
"""What the agent and its clients say to each other: types only, over HTTP on a UNIX socket.

Console and command line know the appliance through these types alone, so a new client
needs nothing but this module and the socket. Routes are listed in `services.agent.routes`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from services.api_status import AccessRole as AccessRole
from services.api_status import ConfirmStatus as ConfirmStatus
from services.api_status import Health as Health
from services.api_status import InterfaceStatus as InterfaceStatus
from services.api_status import NodeStatus as NodeStatus
from services.api_status import ServerStatus as ServerStatus
from services.api_status import ServiceStatus as ServiceStatus
from services.api_status import Status as Status
from services.api_status import UnitStatus as UnitStatus
from services.api_status import WhoAmI as WhoAmI
from services.doctor.asked import Verdict as Verdict
from services.model import Document, ServerState
from services.plan.changes import Effect as Effect
from services.systems import SYSTEM_NAMES as SYSTEM_NAMES
from services.systems import System as System
from services.wire import ClashView as ClashView
from services.wire import ErrorView as ErrorView
from services.wire import ProblemView as ProblemView
from services.wire import Wire as Wire

API_VERSION = 1

LATEST = 253_402_300_800
"""Seconds from 1970 to the year 10000: no moment is later, whatever a damaged file says."""


class RevisionInfo(Wire):
    """One applied document, without the document."""

    number: int
    at: float
    who: str
    why: str
    sha256: str


class Revision(Wire):
    """One applied document."""

    info: RevisionInfo
    document: Document


class PlannedChange(Wire):
    """One step of a plan, in words."""

    what: str
    effect: Effect
    connections: int = 0
    """Live connections it drops."""


class PlanView(Wire):
    """What an apply would do."""

    changes: tuple[PlannedChange, ...]
    diff: str
    """Unified diff of the configuration, for people."""
    files: str = ""
    """Unified diff of the generated files."""
    confirm_advised: bool = False
    """It changes an address or a route that the person may be connected through: better to
    apply it with a deadline to confirm."""
    lacking: tuple[ProblemView, ...] = ()
    """What this machine lacks for it: applying would be refused."""
    hints: tuple[ProblemView, ...] = ()
    """What it brings that may be meant and mostly is a slip."""

    @property
    def effect(self) -> Effect:
        """The roughest effect in it."""
        order = list(Effect)
        return max((change.effect for change in self.changes), key=order.index, default=Effect.NONE)

    @property
    def connections(self) -> int:
        """Live connections it drops, all changes together."""
        return sum(change.connections for change in self.changes)


class ApplyRequest(Wire):
    """A whole document to become the running one."""

    document: Document
    base: int | None = None
    """The revision it was made from; refused if the running one is another. None: whatever runs."""
    why: str = ""
    confirm_s: int | None = None
    """Roll back by itself after so many seconds unless confirmed."""


class Applied(Wire):
    """What an apply did."""

    revision: int
    """The running revision now; while a confirmation is due, the one that comes back otherwise."""
    changes: tuple[PlannedChange, ...]
    confirm: ConfirmStatus | None = None


class KnobRequest(Wire):
    """Change servers' state or weight at run time, kept in the configuration as one change."""

    servers: Annotated[tuple[tuple[int, int], ...], Field(min_length=1, title="Real servers")]
    """Permanent ids of service and server."""
    state: ServerState | None = None
    weight: int | None = None
    why: str = ""


class Edit(Wire):
    """One object changed in a draft.

    The object travels whole, before and after, as JSON: `before` is what the person saw when
    they opened the form, so the agent can tell who changed what underneath.
    """

    key: Annotated[
        str,
        Field(
            pattern=r"^(local(/eth[0-3])?|layer4_advanced|nat/[0-9]{1,10}"
            r"|layer[47]/[0-9]{1,10}(/[0-9]{1,10})?)$"
        ),
    ]
    """`layer7/SERVICE`, `layer7/SERVICE/SERVER` (ids), `layer4/` likewise, `nat/ENTRY`,
    `layer4_advanced`, `local` or `local/eth0`; a new object has an id that its console picked at
    random."""
    before: dict[str, Any] | None = None
    """None: it is new."""
    after: dict[str, Any] | None = None
    """None: delete it."""
    label: str = ""
    """How to name it to people."""


class DraftView(Wire):
    """A person's pending changes."""

    key: str
    base: int
    """The revision it started from."""
    edits: tuple[Edit, ...]
    document: Document | None
    """The running document with the edits in it; None while they clash."""
    problems: tuple[ProblemView, ...]
    clashes: tuple[ClashView, ...]


class ReviewView(Wire):
    """A draft and what applying it would do."""

    draft: DraftView
    plan: PlanView | None
    """None while there are problems or clashes."""


class DraftApply(Wire):
    """Apply a draft."""

    why: str = ""
    confirm_s: int | None = None


class PowerAction(StrEnum):
    """What to do with the machine."""

    RESTART = "restart"
    SHUT_DOWN = "shut_down"


class PowerRequest(Wire):
    """Restart or shut down the machine."""

    action: PowerAction
    why: str
    """For the journal: not empty, because whoever finds the unit gone asks just that."""


class StoredKind(StrEnum):
    """What is kept beside the document, for health checks."""

    SECRET = "secret"  # noqa: S105  a word for one
    SCRIPT = "script"

    @property
    def field(self) -> str:
        """The field of a check that names one."""
        return "script" if self is StoredKind.SCRIPT else "password"


class StoredFile(Wire):
    """One of them; of a secret nothing is told but its name."""

    name: str
    size: int = 0
    """Bytes of a script."""


LARGEST_STORED = 64 << 10
"""Bytes of a secret or a script that are taken."""


class StoreRequest(Wire):
    """The text of a secret or a script."""

    text: Annotated[str, Field(repr=False)]


class StoredScript(Wire):
    """A script as it is stored; of a secret there is no such thing."""

    name: str
    text: Annotated[str, Field(repr=False)]


class AddressProbe(Wire):
    """Whether somebody on a card's wire has an address already."""

    interface: str
    address: str
    carrier: bool = True
    """False: the card has no link, so nobody could have answered."""
    owner: str = ""
    """Hardware address of whoever answered for it; empty: nobody did."""


class SetupView(Wire):
    """What to do on one real server so that it answers for its VIPs."""

    system: System
    title: str
    """Which server, which system."""
    about: tuple[str, ...]
    """Sentences: what is to be done and why, what the commands cannot know."""
    apply: str
    """Commands or steps, many lines; empty: nothing is to be done. So the other two."""
    verify: str
    undo: str
    text: str
    """All of it as a file."""


class FindingView(Wire):
    """One thing that the doctor found about a service or one of its servers."""

    verdict: Verdict
    service: str
    """Label."""
    server: str = ""
    """Label; empty: about the service itself."""
    what: str
    """The cause, a sentence."""
    do: str = ""
    """The way out; empty where nothing needs to be done."""
    key: tuple[int, int] = (0, 0)
    """Ids of the service and server whose set-up is meant; the latter 0 if there is none."""
    setup: str = ""
    """Label of the service under which the server's set-up commands, the way out, are to be had;
    empty: they are not."""


class DoctorReport(Wire):
    """What an examination has proven, faults first."""

    findings: tuple[FindingView, ...]
    took_s: float
    left_out: int = 0
    """Servers that were not examined because there are too many at once."""


class JournalEntry(Wire):
    """One line of the appliance's journal."""

    at: Annotated[float, Field(ge=0, lt=LATEST)]
    who: str
    """A person's account, or "agent"."""
    what: str
