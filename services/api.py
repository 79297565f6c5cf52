# SPDX-License-Identifier: Apache-2.0
"""What the agent and its clients say to each other: types only, over HTTP on a UNIX socket.

Console and command line know the appliance through these types alone, so a new client
needs nothing but this module and the socket. Routes are listed in `services.agent.routes`.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.doctor.asked import Verdict as Verdict
from services.model import Document, ServerState
from services.plan.changes import Effect as Effect
from services.systems import SYSTEM_NAMES as SYSTEM_NAMES
from services.systems import System as System

API_VERSION = 1

LATEST = 253_402_300_800
"""Seconds from 1970 to the year 10000: no moment is later, whatever a damaged file says."""


class Wire(BaseModel):
    """Base of every message: immutable; unknown fields are ignored, so that a console one
    version older still reads a newer agent. Built when it is first used: each start waits for
    those of its first screen only.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)


class AccessRole(StrEnum):
    """What an account may do; each includes those after it."""

    ADMIN = "admin"
    OPERATOR = "operator"
    """Drain, halt, online."""
    VIEWER = "viewer"
    SETUP = "setup"
    """Network settings only."""


class Health(StrEnum):
    """The word on the chip; the guide's colours: green, yellow, red, blue."""

    UP = "UP"
    WARN = "WARN"
    """Service: some server failed, others answer."""
    DOWN = "DOWN"
    HALT = "HALT"
    """Server: taken offline on purpose, at once."""
    DRAIN = "DRAIN"
    """Server: taken offline on purpose, finishing its connections."""
    OFF = "OFF"
    """Service: every server was taken offline on purpose, or it has none."""


class ServerStatus(Wire):
    """One real server, live."""

    id: int
    label: str
    address: str
    port: int
    weight: int
    state: ServerState
    """What the administrator wants."""
    health: Health
    reason: str
    """Why it is so, in words, e.g. "connection refused" or "answer 503"; may be empty."""
    connections: int
    queued: int
    sessions_total: int
    sessions_per_s: float
    bytes_per_s: float
    """Both directions."""
    check_ms: int | None
    """Duration of the last check."""
    since_s: int
    """Seconds since the last change of health."""

    @property
    def serves(self) -> bool:
        """Whether new connections come to it and are answered."""
        return self.state is ServerState.ONLINE and self.health is Health.UP and self.weight > 0


class ServiceStatus(Wire):
    """One virtual service, live."""

    id: int
    label: str
    addresses: tuple[str, ...]
    ports: str
    kind: str
    """As shown: "L7 http"."""
    health: Health
    reason: str
    connections: int
    sessions_total: int
    sessions_per_s: float
    bytes_per_s: float
    servers: tuple[ServerStatus, ...]

    @property
    def layer(self) -> str:
        """The cluster's field it stands in, as in a draft's keys: `layer4`, `layer7`."""
        return "layer4" if self.kind.startswith("L4") else "layer7"

    def abandoned_without(self, gone: Collection[int]) -> bool:
        """Whether some server serves now, and none would without those of these ids."""
        serving = {server.id for server in self.servers if server.serves}
        return bool(serving) and serving <= set(gone)


class InterfaceStatus(Wire):
    """One network card, live."""

    name: str
    carrier: bool
    mac: str
    addresses: tuple[str, ...]
    """The card's own; a VIP is none of them, it may move to the peer."""
    floating: tuple[str, ...] = ()
    """VIPs that are up on it now."""
    not_saved: tuple[str, ...]
    """Addresses somebody added by hand: they are gone after a restart."""
    driver: str = ""
    speed_mbit: int = 0
    """0: it has no link, or does not know."""


class UnitStatus(Wire):
    """One daemon."""

    name: str
    running: bool
    since_s: int
    detail: str


class ConfirmStatus(Wire):
    """An applied change that rolls back by itself unless it is confirmed."""

    revision: int
    """The revision that comes back."""
    seconds_left: int
    who: str


class NodeStatus(Wire):
    """The appliance itself."""

    hostname: str
    role: str
    """"master" or "slave"."""
    active: bool
    link: str
    """"no peer" while the unit is single."""
    version: str
    revision: int
    cpu_pct: float
    memory_pct: float
    uptime_s: int
    connections: int
    bytes_in_per_s: float
    bytes_out_per_s: float
    interfaces: tuple[InterfaceStatus, ...]
    units: tuple[UnitStatus, ...]
    notices: tuple[str, ...]
    """What the administrator must know: a broken revision, a change undone, drift put right."""
    confirm: ConfirmStatus | None = None
    factory: tuple[str, ...] = ()
    """Accounts that still have the password of the guide: good on the machine's own screen only."""


class Status(Wire):
    """Everything the Overview shows, from one moment."""

    at: float
    """Seconds since 1970."""
    node: NodeStatus
    services: tuple[ServiceStatus, ...]


class WhoAmI(Wire):
    """What the agent learnt from the socket about who is asking."""

    user: str
    role: AccessRole
    draft: str
    """Key of this console's draft."""


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


class ProblemView(Wire):
    """`services.errors.Problem` on the wire."""

    path: tuple[str | int, ...]
    what: str
    do: str


class ClashView(Wire):
    """`services.errors.Clash` on the wire."""

    key: str
    what: str


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


class ErrorView(Wire):
    """An `ApplianceError` on the wire."""

    kind: str
    """Name of the class in `services.errors`."""
    what: str
    do: str
    problems: tuple[ProblemView, ...] = ()
    clashes: tuple[ClashView, ...] = ()
