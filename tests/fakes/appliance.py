# SPDX-License-Identifier: Apache-2.0
"""An appliance with a script: the methods of `services.client.Client`, state and rules, no wire.

It is no mock and expects nothing. What decides about a configuration (merging, checking,
colours) is the product's own pure code; what the data plane would say is set by the test.
`tests/contract/test_appliance_contract.py` holds it and the agent to the same rules.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from services import draft as drafting
from services.agent.doctor import finding_view
from services.agent.reports import current_connections
from services.agent.setup import setup_view
from services.api import (
    AccessRole,
    AddressProbe,
    Applied,
    ApplyRequest,
    ConfirmStatus,
    DoctorReport,
    DraftApply,
    DraftView,
    Edit,
    FindingView,
    InterfaceStatus,
    JournalEntry,
    KnobRequest,
    NodeStatus,
    PlanView,
    PowerRequest,
    ProblemView,
    ReviewView,
    Revision,
    RevisionInfo,
    ServiceStatus,
    SetupView,
    Status,
    StoredFile,
    StoredKind,
    StoredScript,
    System,
    UnitStatus,
    WhoAmI,
)
from services.api_errors import clash_views, problem_views
from services.api_reports import (
    CheckResult,
    CheckResults,
    ConnectionQuery,
    Connections,
    Layer4Report,
)
from services.check import brought, check
from services.difference import difference
from services.doctor.asked import Observed
from services.doctor.cases import cases, services_of, who_has
from services.doctor.findings import findings
from services.drivers.sample import Sample, ServerCounters, ServiceCounters
from services.errors import (
    ApplianceError,
    Clash,
    ConfigInvalid,
    EditConflict,
    Forbidden,
    NotFound,
    Problem,
    Refused,
    Unable,
    Unreachable,
)
from services.identity import with_ids
from services.model import Document, ServerState, server_names
from services.render.ipvs import ipvs_wanted
from services.reports.flows import Counted, layer4_report
from services.reports.status import services_status
from services.switch import reason, switched
from tests.fakes.ipvs_conn import FakeConnections
from tests.fakes.planned import planned
from tests.fakes.stored import FakeStored

ServerKey = tuple[int, int]

CARDS = ("eth0", "eth1", "eth2", "eth3")


def _default_clock() -> float:
    return 1_772_368_265.0


@dataclass
class ScriptedAppliance:
    """Keeps state like the real one; a test turns the knobs below to say what happens to it."""

    running: Document = field(default_factory=Document)
    role: AccessRole = AccessRole.ADMIN
    user: str = "admin"
    clock: Callable[[], float] = _default_clock
    """Frozen unless a test brings its own: pictures must not change with the hour."""
    down: dict[ServerKey, str] = field(default_factory=dict)
    """Servers whose check fails, with the reason."""
    connections: dict[ServerKey, int] = field(default_factory=dict)
    bytes_per_s: dict[ServerKey, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    silent: bool = False
    """Nobody listens on the socket."""
    refusal: ApplianceError | None = None
    """What the next change is answered with, once."""
    haproxy_runs: bool = True
    lacking: tuple[ProblemView, ...] = ()
    """What this machine lacks for whatever is planned."""
    neighbours: dict[str, str] = field(default_factory=dict)
    """Addresses that others have on every wire, with their hardware addresses."""
    findings: tuple[FindingView, ...] = ()
    """What the doctor finds; none: what it makes of a wire on which nobody answers."""
    power_switch: bool = True
    """Whether it runs on a machine of its own."""
    powered: list[PowerRequest] = field(default_factory=list)
    """What was done to the machine."""
    factory: tuple[str, ...] = ()
    """Accounts with the guide's password."""
    links: frozenset[str] = frozenset({"eth0", "eth1"})
    """Cards with a cable in them."""
    files: FakeStored = field(default_factory=FakeStored)
    """Secrets and scripts."""
    checked: dict[ServerKey, tuple[CheckResult, ...]] = field(default_factory=dict)
    """The last results of the checks of layer 4 servers, the newest first."""
    counted: Counted = field(default_factory=dict)
    """What the kernel counts of layer 4."""
    table: FakeConnections = field(default_factory=FakeConnections)
    """The kernel's connections."""
    calls: list[str] = field(default_factory=list)
    """Names of the calls that changed something, in order."""

    def __post_init__(self) -> None:
        self._history: list[tuple[RevisionInfo, Document]] = []
        self._edits: dict[str, Edit] = {}
        self._undone: dict[str, Edit] = {}
        """Of the change that waits to be confirmed: pending again if nobody does."""
        self._base = 1
        self._journal: list[JournalEntry] = []
        self._window: tuple[Document, float, str, str] | None = None
        self._random = random.Random(20)
        self._commit(self.running, who="agent", why="first start")

    # -- asking -----------------------------------------------------------------------------

    async def whoami(self) -> WhoAmI:
        self._reached()
        return WhoAmI(user=self.user, role=self.role, draft=f"{self.user}@console")

    async def status(self) -> Status:
        self._reached()
        self._expire()
        services = self._services()
        local = self.running.local
        return Status(
            at=self.clock(),
            node=NodeStatus(
                hostname=local.hostname,
                role=local.role.value,
                active=True,
                link="no peer",
                version="0.1.0",
                revision=self._revision,
                cpu_pct=41,
                memory_pct=63,
                uptime_s=12 * 86_400,
                connections=sum(service.connections for service in services),
                bytes_in_per_s=3_100_000,
                bytes_out_per_s=2_400_000,
                interfaces=tuple(
                    InterfaceStatus(
                        name=name,
                        carrier=name in self.links,
                        mac=f"02:00:00:00:00:0{name[-1]}",
                        addresses=next(
                            (
                                tuple(map(str, c.addresses))
                                for c in local.interfaces
                                if c.name == name
                            ),
                            (),
                        ),
                        not_saved=(),
                        driver="veth",
                        speed_mbit=10_000 if name in self.links else 0,
                    )
                    for name in CARDS
                ),
                units=(UnitStatus(name="haproxy", running=True, since_s=86_400, detail=""),),
                notices=self.notices,
                confirm=self._confirm_status(),
                factory=self.factory,
            ),
            services=services,
        )

    async def document(self) -> Revision:
        self._reached()
        return Revision(info=self._history[-1][0], document=self.running)

    async def revisions(self) -> tuple[RevisionInfo, ...]:
        self._reached()
        return tuple(info for info, _ in reversed(self._history))

    async def revision(self, number: int) -> Revision:
        self._reached()
        return Revision(info=self._stored(number)[0], document=self._stored(number)[1])

    async def plan(self, request: ApplyRequest) -> PlanView:
        self._reached()
        return self._plan(self._sound(self._with_ids(request.document)))

    async def draft(self) -> DraftView:
        self._reached()
        return self._view()

    async def review(self) -> ReviewView:
        self._reached()
        view = self._view()
        sound = view.document is not None and not view.problems
        plan = self._plan(self._with_ids(view.document)) if view.document and sound else None
        return ReviewView(draft=view, plan=plan)

    async def journal(self, limit: int = 100) -> tuple[JournalEntry, ...]:
        self._reached()
        return tuple(reversed(self._journal))[:limit]

    async def layer4(self) -> Layer4Report:
        self._allowed(AccessRole.OPERATOR, AccessRole.VIEWER)
        table = ipvs_wanted(self.running).table
        return layer4_report(self.running, table, self.counted, at=self.clock())

    async def current_connections(self, query: ConnectionQuery) -> Connections:
        self._allowed(AccessRole.OPERATOR, AccessRole.VIEWER)
        return await current_connections(self.running, query, self.table)

    async def check_results(self, service: int, server: int) -> CheckResults:
        self._reached()
        key, names = (service, server), server_names(self.running)
        if key not in names or key not in self.checked:
            raise NotFound("There is no such layer 4 server.", do="Look at what runs now.")
        results = self.checked[key]
        reason = "" if not results or results[0].ok else results[0].words
        return CheckResults(label=names[key], reason=reason, results=results)

    async def stored(self, kind: StoredKind) -> tuple[StoredFile, ...]:
        self._reached()
        return self.files.listed(kind)

    async def script(self, name: str) -> StoredScript:
        self._reached()
        return StoredScript(name=name, text=self.files.script(name))

    async def server_setup(self, service: int, server: int, system: System) -> SetupView:
        self._reached()
        return setup_view(self.running, (service, server), system)

    async def examine(self, service: int | None = None) -> DoctorReport:
        self._allowed(AccessRole.OPERATOR)
        services = services_of(self.running, service)
        if service is not None and not services:
            raise NotFound("There is no such service.", do="Look at what runs now.")
        labels = {each.label for each in services}
        found = tuple(each for each in self.findings if each.service in labels)
        if not found:
            silence = Observed(dict.fromkeys(who_has(self.running, services), frozenset()))
            asked = cases(self.running, services)
            found = tuple(map(finding_view, findings(self.running, services, asked, silence)))
        return DoctorReport(findings=found, took_s=1.6)

    async def probe_address(self, interface: str, address: str) -> AddressProbe:
        self._allowed(AccessRole.SETUP)
        try:
            address = str(ip_address(address.replace("%", " ")))  # a card's name is none of it
        except ValueError as error:
            raise Refused(f"{address!r} is not an address.", do="Give one.") from error
        if interface not in CARDS:
            raise Unable(f"{interface} does not exist.", do="Choose another card.")
        linked = interface in self.links
        return AddressProbe(
            interface=interface,
            address=address,
            carrier=linked,
            owner=self.neighbours.get(address, "") if linked else "",
        )

    # -- changing ---------------------------------------------------------------------------

    async def apply(self, request: ApplyRequest) -> Applied:
        self._changing("apply", AccessRole.SETUP)
        if request.base is not None and request.base != self._revision:
            raise EditConflict([Clash("document", f"Revision {self._revision} runs.")])
        return self._apply(request.document, request.why, request.confirm_s)

    async def confirm(self) -> Applied:
        self._changing("confirm", AccessRole.SETUP)
        self._expire()
        if self._window is None:
            raise Refused("Nothing waits for a confirmation.", do="Nothing needs to be done.")
        _, _, who, why = self._window
        self._window, self._undone = None, {}
        self._commit(self.running, who=who, why=why)
        self._note(self.user, f"confirmed revision {self._revision}")
        return Applied(revision=self._revision, changes=())

    async def rollback(self, number: int | None = None, *, why: str = "") -> Applied:
        ending = number is None and self._window is not None and self._window[2] == self.user
        self._changing("rollback", *((AccessRole.SETUP,) if ending else ()))
        if self._window is not None and number is None:
            self._back(f"{self.user} rolled back")
            return Applied(revision=self._revision, changes=())
        if number is None:
            if len(self._history) < 2:
                raise NotFound("There is no earlier revision.", do="Look at the revisions.")
            number = self._history[-2][0].number
        document = self._stored(number)[1]
        return self._apply(document, why or f"back to revision {number}", None)

    async def set_servers(self, request: KnobRequest) -> Applied:
        self._changing("set_servers", AccessRole.OPERATOR)
        keys, state, weight = request.servers, request.state, request.weight
        self._expire()
        self._require_no_window()
        document = switched(self.running, keys, state=state, weight=weight)
        if document == self.running:
            return Applied(revision=self._revision, changes=())
        why = request.why or reason(document, keys, state=state, weight=weight)
        applied = self._apply(document, why, None)
        if state is ServerState.HALT:
            for key in keys:
                self.connections.pop(key, None)
        return applied

    async def edit(self, edit: Edit) -> DraftView:
        self._changing("edit", AccessRole.SETUP)
        if not self._edits:
            self._base = self._revision
        self._edits = drafting.with_edit(self._edits, edit)
        return self._view()

    async def drop_edit(self, key: str) -> DraftView:
        self._changing("drop_edit", AccessRole.SETUP)
        self._edits = drafting.without_edit(self._edits, key)
        return self._view()

    async def discard(self) -> DraftView:
        self._changing("discard", AccessRole.SETUP)
        self._edits = {}
        return self._view()

    async def apply_draft(self, request: DraftApply) -> Applied:
        self._changing("apply_draft", AccessRole.SETUP)
        if not self._edits:
            raise Refused("There is nothing to apply.", do="Change something first.")
        merged = self._merged()
        if merged.clashes:
            raise EditConflict(merged.clashes)
        if merged.problems or merged.document is None:
            raise ConfigInvalid(merged.problems)
        applied = self._apply(merged.document, request.why, request.confirm_s)
        self._undone, self._edits = self._edits if request.confirm_s else {}, {}
        return applied

    async def power(self, request: PowerRequest) -> PowerRequest:
        self._changing("power")
        if not request.why.strip():
            raise Refused("There is no reason.", do="Say why: it stands in the journal.")
        asked = request.action.value.replace("_", " ")
        self._note(self.user, f"asked to {asked} the machine: {request.why}")
        if not self.power_switch:
            raise Unable("This machine is not its own.", do="Switch the machine itself.")
        self.powered.append(request)
        return request

    async def store(self, kind: StoredKind, name: str, text: str) -> StoredFile:
        self._changing("store")
        self.files.put(kind, name, text)
        self._note(self.user, f"stored the {kind.value} {name}")
        return StoredFile(name=name)

    async def forget(self, kind: StoredKind, name: str) -> StoredFile:
        self._changing("forget")
        self.files.remove(kind, name, self.running)
        self._note(self.user, f"deleted the {kind.value} {name}")
        return StoredFile(name=name)

    # -- what a test does to it ---------------------------------------------------------------

    def somebody_applies(self, document: Document, *, who: str = "operator2") -> None:
        """Another console changed the configuration."""
        self._commit(document, who=who, why="meanwhile")

    # -- rules --------------------------------------------------------------------------------

    @property
    def _revision(self) -> int:
        return self._history[-1][0].number if self._history else 0

    def _reached(self) -> None:
        if self.silent:
            raise Unreachable(
                "The agent does not answer on /run/ballast/agent.sock.",
                do="See whether ballast-agent runs, and whether this account may use the socket.",
            )

    def _allowed(self, *also: AccessRole) -> None:
        self._reached()
        if self.role not in (AccessRole.ADMIN, *also):
            raise Forbidden(
                f"The account {self.user} may not do that.", do="Ask an administrator to do it."
            )

    def _changing(self, call: str, *also: AccessRole) -> None:
        self._allowed(*also)
        self.calls.append(call)
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal

    def _problems(self, document: Document) -> list[Problem]:
        return [*check(document), *self.files.missing(document)]

    def _merged(self) -> drafting.Merged:
        merged = drafting.merge(self.running, self._edits.values())
        problems = self._problems(merged.document) if merged.document else []
        return drafting.Merged(merged.document, (*merged.problems, *problems), merged.clashes)

    def _view(self) -> DraftView:
        merged = self._merged()
        return DraftView(
            key=f"{self.user}@console",
            base=self._base if self._edits else self._revision,
            edits=tuple(self._edits.values()),
            document=merged.document,
            problems=problem_views(merged.problems),
            clashes=clash_views(merged.clashes),
        )

    def _sound(self, document: Document) -> Document:
        if problems := self._problems(document):
            raise ConfigInvalid(problems)
        return document

    def _plan(self, document: Document) -> PlanView:
        moved = document.local.interfaces != self.running.local.interfaces
        rerouted = document.local.gateway != self.running.local.gateway
        return PlanView(
            changes=tuple(planned(self.running, document, self.connections)),
            diff=difference(self.running, document),
            files="",
            confirm_advised=moved or rerouted,
            lacking=self.lacking,
            hints=problem_views(brought(document, self.running)),
        )

    def _apply(self, document: Document, why: str, confirm_s: int | None) -> Applied:
        self._expire()
        self._require_no_window()
        document = self._with_ids(document)
        if self.role is AccessRole.SETUP and document.cluster != self.running.cluster:
            raise Refused(
                "This account may change this unit's network settings only.",
                do="Leave the services as they are.",
            )
        changes = self._plan(self._sound(document)).changes
        if self.lacking:
            raise Refused(self.lacking[0].what, do=self.lacking[0].do)
        if document == self.running and confirm_s is None:
            return Applied(revision=self._revision, changes=())
        if confirm_s is None:
            self._commit(document, who=self.user, why=why)
        else:
            self._window = (self.running, self.clock() + confirm_s, self.user, why)
            self.running = document
        self._note(self.user, f"applied revision {self._revision}: {why or '-'}")
        return Applied(revision=self._revision, changes=changes, confirm=self._confirm_status())

    def _require_no_window(self) -> None:
        if self._window is not None:
            raise Refused(
                f"A change of {self._window[2]} waits to be confirmed.",
                do="Confirm it or roll it back first.",
            )

    def _commit(self, document: Document, *, who: str, why: str) -> None:
        sha256 = hashlib.sha256(document.model_dump_json().encode()).hexdigest()
        info = RevisionInfo(
            number=self._revision + 1, at=self.clock(), who=who, why=why, sha256=sha256
        )
        self._history.append((info, document))
        self.running = document

    def _confirm_status(self) -> ConfirmStatus | None:
        if self._window is None:
            return None
        left = max(0, round(self._window[1] - self.clock()))
        return ConfirmStatus(revision=self._revision, seconds_left=left, who=self._window[2])

    def _expire(self) -> None:
        if self._window is not None and self._window[1] <= self.clock():
            self._back("nobody confirmed it in time")

    def _back(self, reason: str) -> None:
        assert self._window is not None
        self.running, _, who, _ = self._window
        self._window = None
        self._edits = functools.reduce(drafting.with_edit, self._edits.values(), dict(self._undone))
        self._undone = {}
        self._note("agent", f"rolled back the change of {who}: {reason}")

    def _note(self, who: str, what: str) -> None:
        self._journal.append(JournalEntry(at=self.clock(), who=who, what=what))

    def _stored(self, number: int) -> tuple[RevisionInfo, Document]:
        for info, document in self._history:
            if info.number == number:
                return info, document
        raise NotFound(f"There is no revision {number}.", do="Look at the revisions.")

    def _with_ids(self, document: Document) -> Document:
        return with_ids(document, self.running, self._pick)

    def _pick(self) -> int:
        return self._random.randrange(1, 2**31)

    def _services(self) -> tuple[ServiceStatus, ...]:
        now, before = self._sample(at=1.0), self._sample(at=0.0)
        return services_status(self.running, now, before)

    def _sample(self, *, at: float) -> Sample:
        servers: dict[ServerKey, ServerCounters] = {}
        services: dict[int, ServiceCounters] = {}
        for service in self.running.cluster.layer7:
            connections = rate = 0
            for server in service.servers:
                key = (service.id, server.id)
                reason = self.down.get(key, "")
                live = 0 if reason else self.connections.get(key, 0)
                speed = 0 if reason else self.bytes_per_s.get(key, live * 5_000)
                servers[key] = ServerCounters(
                    up=not reason,
                    reason=reason,
                    connections=live,
                    sessions_total=live * 100,
                    bytes_total=round(speed * at),
                    check_ms=None if reason else 3,
                    since_s=7_300,
                )
                connections += live
                rate += speed
            services[service.id] = ServiceCounters(
                connections=connections,
                sessions_total=connections * 100,
                bytes_total=round(rate * at),
            )
        return Sample(
            at=at,
            running=self.haproxy_runs,
            servers=servers,
            services=services,
            layer4=self.counted,
        )
