# SPDX-License-Identifier: Apache-2.0
"""What the answers prove, each in one sentence with the way out; pure.

A fault is said only where the control answered: a server that is off, or a port that a
firewall keeps shut to everybody, proves nothing about its VIP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from services.doctor.asked import Kind, Knock, Observed, Reply, Verdict, WhoHas
from services.doctor.cases import Cards, Case
from services.model import Document, Forwarding, Layer4Service
from services.model.base import Address
from services.model.document import AnyService
from services.model.layer4 import DIRECT
from services.render.setup.facts import facts_of


@dataclass(frozen=True)
class Finding:
    """One thing about a service, or about one of its servers."""

    verdict: Verdict
    service: str
    """Label."""
    what: str
    """The cause, a sentence."""
    do: str = ""
    """The way out; empty where nothing needs to be done."""
    server: str = ""
    """Label; empty: about the service itself."""
    key: tuple[int, int] = (0, 0)
    """Ids of service and server; the latter 0 if about the service."""
    setup: str = ""
    """Label of the service under which the server's set-up commands, the way out, are to be had;
    empty: they are not."""


def findings(
    document: Document,
    services: Iterable[AnyService],
    cases: Iterable[Case],
    observed: Observed,
) -> tuple[Finding, ...]:
    """Everything proven, faults first, else in the order of the document."""
    listed = tuple(services)
    cards = Cards(document)
    names = _owners(document, cards, observed)
    found = [finding for service in listed for finding in _of_vips(service, cards, names, observed)]
    for case in cases:
        found += _of_case(document, case, observed)
    order = list(Verdict)
    return tuple(sorted(found, key=lambda finding: order.index(finding.verdict)))


# ---------------------------------------------------------------------------------- who has the VIP


def _owners(
    document: Document, cards: Cards, observed: Observed
) -> Mapping[tuple[str, str], tuple[str, Layer4Service, int]]:
    """Which real server's each card is, by device and hardware address."""
    found = {}
    for service in document.cluster.layer4:
        for server in service.servers:
            question = cards.wire(server.address)
            if question is not None and (mac := observed.owner(question)):
                found.setdefault((question.device, mac), (server.label, service, server.id))
    return found


def _of_vips(
    service: AnyService,
    cards: Cards,
    names: Mapping[tuple[str, str], tuple[str, Layer4Service, int]],
    observed: Observed,
) -> Iterator[Finding]:
    for vip in service.addresses:
        question = cards.wire(vip)
        if question is None:
            yield Finding(
                Verdict.UNPROVEN,
                service.label,
                f"{vip} is in no network of this unit, so nobody can be asked who has it.",
                key=(service.id, 0),
            )
        elif question not in observed.owners:
            yield Finding(
                Verdict.UNPROVEN,
                service.label,
                f"Nobody can be asked who has {vip}: {question.device} has no link.",
                f"Look at the cable of {question.device}.",
                key=(service.id, 0),
            )
        elif not observed.owners[question]:
            yield Finding(
                Verdict.GOOD,
                service.label,
                f"Nobody else on {question.device} says that {vip} is theirs.",
                key=(service.id, 0),
            )
        else:
            for mac in sorted(observed.owners[question]):
                yield _taken(service, vip, question, mac, names.get((question.device, mac)))


def _taken(
    service: AnyService,
    vip: Address,
    question: WhoHas,
    mac: str,
    whose: tuple[str, Layer4Service, int] | None,
) -> Finding:
    saying = "answers ARP" if vip.version == 4 else "answers neighbour solicitations"
    past = "clients may be sent to it past the load balancer."
    if whose is None:
        return Finding(
            Verdict.FAULT,
            service.label,
            f"A machine that is no real server, {mac} on {question.device}, {saying} for {vip}: "
            f"{past}",
            "Find that hardware address's port at the switch, and take the address away there; "
            "if it is a second appliance, see that only one of them is active.",
            key=(service.id, 0),
        )
    label, of, server = whose
    return Finding(
        Verdict.FAULT,
        service.label,
        f"{label} ({mac}) {saying} for {vip}: {past}",
        f"Have {label} keep {vip} silent, on its loopback.",
        server=label,
        key=(of.id, server),
        setup=of.label if of.forwarding in DIRECT else "",
    )


# ------------------------------------------------------------------------------------- real servers


@dataclass(frozen=True)
class _Replies:
    """What came back of some knocks."""

    tcp: Reply | None
    """None: nothing, or not asked."""
    alive: bool
    """Anything at all."""


def _replies(knocks: Iterable[Knock], observed: Observed) -> _Replies:
    heard = {knock.kind: observed.heard[knock].reply for knock in knocks if knock in observed.heard}
    return _Replies(heard.get(Kind.TCP), bool(heard))


def _of_case(document: Document, case: Case, observed: Observed) -> Iterator[Finding]:
    if case.card is not None and case.card not in observed.owners:
        yield _told(
            case,
            Verdict.UNPROVEN,
            f"{_server(case)} cannot be asked: {case.card.device} has no link.",
            f"Look at the cable of {case.card.device}.",
        )
        return
    if case.card is not None and (macs := observed.owners[case.card]) and len(macs) > 1:
        yield _told(
            case,
            Verdict.FAULT,
            f"{len(macs)} machines say that {case.server.address} is theirs: "
            f"{', '.join(sorted(macs))}.",
            "Give one of them another address.",
        )
        return
    control = _replies(case.control, observed)
    proof = _replies(case.proof, observed)
    if case.hindrance and not case.control:
        yield _told(case, Verdict.UNPROVEN, f"{_server(case)} cannot be asked. {case.hindrance}")
    elif not control.alive and not proof.alive:
        yield _dead(case, observed)
    elif case.vip is not None:
        yield _direct(case, case.vip, control, proof)
    else:
        yield from _translated(document, case, control, observed)


def _dead(case: Case, observed: Observed) -> Finding:
    if case.card is not None and not observed.owners[case.card]:
        return _told(
            case,
            Verdict.UNPROVEN,
            f"{_server(case)} is not there: nobody on {case.card.device} has its address.",
            "See whether it runs, and whether its cable and its network are the right ones.",
        )
    return _told(
        case,
        Verdict.UNPROVEN,
        f"{_server(case)} answers nothing, at its own address neither.",
        "See whether it runs, and whether a firewall shuts this unit out.",
    )


def _direct(case: Case, vip: Address, control: _Replies, proof: _Replies) -> Finding:
    at = f"{vip} port {case.port}"
    if not proof.alive:
        tunnel = case.service.forwarding is Forwarding.TUN
        lacks = (
            f"it does not unwrap {case.service.tunnel.value.upper()} tunnels, or does not have "
            "the VIP"
            if tunnel
            else "it does not have the VIP"
        )
        return _told(
            case,
            Verdict.FAULT,
            f"{_server(case)} answers at its own address, but does not take packets for {vip}: "
            f"{lacks}.",
            f"Set {case.server.label} up for {vip}.",
            setup=True,
        )
    if proof.tcp is Reply.OPEN:
        return _told(case, Verdict.GOOD, f"{_server(case)} answers at {at}.")
    if proof.tcp is Reply.REFUSED and control.tcp is Reply.OPEN:
        return _told(
            case,
            Verdict.FAULT,
            f"{_server(case)} takes packets for {vip}, but its service listens at its own address "
            "only.",
            f"Have the service listen on {vip} as well, or on all addresses.",
        )
    if proof.tcp is Reply.REFUSED:
        return _told(
            case,
            Verdict.FAULT,
            f"{_server(case)} takes packets for {vip}, but nothing listens at port {case.port}.",
            "Start the service there.",
        )
    if case.port and control.tcp is Reply.OPEN:
        return _told(
            case,
            Verdict.FAULT,
            f"{_server(case)} takes packets for {vip}, but port {case.port} is silent there, and "
            "open at its own address.",
            "See whether the server's firewall lets the port through for the VIP.",
        )
    if case.port:
        return _told(
            case,
            Verdict.UNPROVEN,
            f"{_server(case)} takes packets for {vip}, but port {case.port} is silent.",
            "See whether the service runs, and whether the server's firewall lets it through.",
        )
    return _told(
        case,
        Verdict.GOOD,
        f"{_server(case)} takes packets for {vip}; whether the service answers is not asked.",
    )


def _translated(
    document: Document, case: Case, control: _Replies, observed: Observed
) -> Iterator[Finding]:
    if control.tcp is Reply.REFUSED:
        yield _told(
            case,
            Verdict.FAULT,
            f"{_server(case)} is there, but nothing listens at port {case.port}.",
            "Start the service there, or set the right port.",
        )
    if case.service.forwarding is Forwarding.SNAT:
        if control.tcp is not Reply.REFUSED:
            yield _told(case, Verdict.GOOD, f"{_server(case)} answers, and answers to this unit.")
        return
    if case.hindrance:
        yield _told(case, Verdict.UNPROVEN, f"{_server(case)} answers. {case.hindrance}")
        return
    yield _way_back(document, case, observed)


def _way_back(document: Document, case: Case, observed: Observed) -> Finding:
    facts = facts_of(document, case.server.address)
    gateway = f" is not {facts.gateway.address}" if facts.gateway else " is another one"
    heard = [observed.heard[knock] for knock in case.proof if knock in observed.heard]
    card = case.card
    if card is not None and any(
        (each.device, each.mac) == (card.device, observed.owner(card)) for each in heard
    ):
        return _told(
            case, Verdict.GOOD, f"{_server(case)} answers clients elsewhere through this unit."
        )
    way = (
        f"by way of {heard[0].mac} on {heard[0].device}"
        if heard
        else "past this unit, so they are lost"
    )
    return _told(
        case,
        Verdict.FAULT,
        f"{_server(case)} sends its answers to clients elsewhere {way}: its default "
        f"gateway{gateway}.",
        f"Set the default gateway of {case.server.label}.",
        setup=True,
    )


def _server(case: Case) -> str:
    return f"{case.server.label} ({case.server.address})"


def _told(case: Case, verdict: Verdict, what: str, do: str = "", *, setup: bool = False) -> Finding:
    return Finding(
        verdict,
        case.service.label,
        what,
        do,
        server=case.server.label,
        key=(case.service.id, case.server.id),
        setup=case.service.label if setup else "",
    )
