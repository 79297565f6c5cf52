# SPDX-License-Identifier: Apache-2.0
"""What the answers prove, each in one sentence with the way out; pure.

Here it is who has the VIPs; of the real servers it is in `services.doctor.servers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from services.doctor.asked import Observed, Verdict, WhoHas
from services.doctor.cases import Cards, Case
from services.doctor.finding import Finding
from services.doctor.servers import of_case
from services.model import Document, Layer4Service
from services.model.base import Address
from services.model.document import AnyService
from services.model.layer4 import DIRECT


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
        found += of_case(document, case, observed)
    order = list(Verdict)
    return tuple(sorted(found, key=lambda finding: order.index(finding.verdict)))


def _owners(
    document: Document, cards: Cards, observed: Observed
) -> Mapping[tuple[str, str], tuple[str, Layer4Service, int]]:
    """Which real server's each card is, by device and hardware address."""
    found: dict[tuple[str, str], tuple[str, Layer4Service, int]] = {}
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
    how = "in ARP" if vip.version == 4 else "to its neighbours"
    past = "clients may be sent to it past the load balancer."
    if whose is None:
        return Finding(
            Verdict.FAULT,
            service.label,
            f"A machine that is no real server, {mac} on {question.device}, says {how} that {vip} "
            f"is its own: {past}",
            "Find that hardware address's port at the switch, and take the address away there; "
            "if it is a second appliance, see that only one of them is active.",
            key=(service.id, 0),
        )
    label, of, server = whose
    return Finding(
        Verdict.FAULT,
        service.label,
        f"{label} ({mac}) says {how} that {vip} is its own: {past}",
        f"Have {label} keep {vip} silent, on its loopback.",
        server=label,
        key=(of.id, server),
        setup=of.label if of.forwarding in DIRECT else "",
    )
