# SPDX-License-Identifier: Apache-2.0
"""Our nftables rules from a document: marks for services of several ports, sources for SNAT.

Everything stands in one table of our own, which is replaced whole; nobody else's is touched.
A packet gets its whole mark, not some bits of it: IPVS compares all of them.

Masquerading asks conntrack where a connection went at first, since IPVS has rewritten the
packet by then; so a server that clients also reach by themselves is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.model import Document, Forwarding, Layer4Service
from services.model.layer4 import Protocol, has_own_mark

TABLE = "inet ballast"

_PROTOCOLS = {
    Protocol.TCP: "tcp",
    Protocol.UDP: "udp",
    Protocol.ONE_PACKET: "udp",
    Protocol.TCP_UDP: "{ tcp, udp }",
}
_FAMILY = {4: "ip", 6: "ip6"}


def nft_wanted(document: Document) -> str:
    """The rules that `document` asks for, as a program for `nft -f`; empty: no table at all."""
    services = sorted(document.cluster.layer4, key=lambda service: service.id)
    marks = [rule for service in services for rule in _marks(service)]
    sources = [rule for service in services for rule in _sources(service)]
    if not marks and not sources:
        return ""
    chains = [
        ("marks", "type filter hook prerouting priority mangle; policy accept;", marks),
        ("sources", "type nat hook postrouting priority srcnat; policy accept;", sources),
    ]
    lines = [f"table {TABLE} {{"]
    for name, hook, rules in chains:
        if rules:
            inside = [f"\t\t{line}" for line in (hook, *rules)]
            lines += [f"\tchain {name} {{", *inside, "\t}"]
    return "\n".join([*lines, "}", ""])


def wants_conntrack(document: Document) -> bool:
    """Whether IPVS must tell conntrack of its connections: only SNAT needs it, and it costs."""
    return any(service.forwarding is Forwarding.SNAT for service in document.cluster.layer4)


def _marks(service: Layer4Service) -> Iterator[str]:
    if not has_own_mark(service):
        return
    for family, addresses in _addresses(service):
        yield (
            f"{family} daddr {addresses} meta l4proto {_PROTOCOLS[service.protocol]} "
            f"th dport {_ports(service)} meta mark set {service.mark:#010x}"
        )


def _sources(service: Layer4Service) -> Iterator[str]:
    if service.forwarding is not Forwarding.SNAT:
        return
    if service.protocol is Protocol.MARK:
        yield f"meta mark {service.mark:#010x} masquerade"
        return
    for family, addresses in _addresses(service):
        yield (
            f"meta l4proto {_PROTOCOLS[service.protocol]} ct original {family} daddr {addresses} "
            f"ct original proto-dst {_ports(service)} masquerade"
        )


def _addresses(service: Layer4Service) -> Iterator[tuple[str, str]]:
    for version, family in _FAMILY.items():
        found = [str(address) for address in service.addresses if address.version == version]
        if found:
            yield family, f"{{ {', '.join(found)} }}"


def _ports(service: Layer4Service) -> str:
    return f"{{ {service.ports.replace(',', ', ')} }}"
