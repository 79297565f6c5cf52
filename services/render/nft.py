# SPDX-License-Identifier: Apache-2.0
"""Our nftables rules from a document: marks for services of several ports, and all NAT.

Everything stands in one table of our own, which is replaced whole; nobody else's is touched.
A packet gets its whole mark, not some bits of it: IPVS compares all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.model import Document, Layer4Service
from services.model.layer4 import has_own_mark
from services.render import nat

TABLE = "inet ballast"

_REDIRECTS = "icmpv6 type nd-redirect drop"


def nft_wanted(document: Document) -> str:
    """The rules that `document` asks for, as a program for `nft -f`; empty: no table at all."""
    services = sorted(document.cluster.layer4, key=lambda service: service.id)
    chains = (
        ("marks", "filter hook prerouting priority mangle", _all_marks(services)),
        ("inbound", "nat hook prerouting priority dstnat", tuple(nat.inbound(document))),
        ("sources", "nat hook postrouting priority srcnat", nat.sources(document)),
        ("redirects", "filter hook output priority filter", _redirects(document)),
    )
    lines = []
    for name, hook, rules in chains:
        if rules:
            inside = [f"\t\t{line}" for line in (f"type {hook}; policy accept;", *rules)]
            lines += [f"\tchain {name} {{", *inside, "\t}"]
    return "\n".join([f"table {TABLE} {{", *lines, "}", ""]) if lines else ""


def _all_marks(services: list[Layer4Service]) -> tuple[str, ...]:
    return tuple(rule for service in services for rule in _marks(service))


def _marks(service: Layer4Service) -> Iterator[str]:
    if not has_own_mark(service):
        return
    for family, addresses in nat.addresses(service.addresses):
        yield (
            f"{family} daddr {addresses} meta l4proto {nat.protocols(service)} "
            f"th dport {nat.ports(service.ports)} meta mark set {service.mark:#010x}"
        )


def _redirects(document: Document) -> tuple[str, ...]:
    return (_REDIRECTS,) if nat.answers_here(document) else ()
