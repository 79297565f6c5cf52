# SPDX-License-Identifier: Apache-2.0
"""What the answers of real servers prove; pure.

A fault is said only where the control answered: a server that is off, or a port that a
firewall keeps shut to everybody, proves nothing about its VIP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.doctor.asked import Kind, Knock, Observed, Reply, Verdict
from services.doctor.cases import Case
from services.doctor.finding import Finding
from services.model import Document, Forwarding
from services.model.base import Address
from services.render.setup.facts import facts_of


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


def of_case(document: Document, case: Case, observed: Observed) -> Iterator[Finding]:
    """What is proven about one real server."""
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
