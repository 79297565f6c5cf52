# SPDX-License-Identifier: Apache-2.0
"""Documents that the model and the rules between objects accept, made for property tests.

They are built so that they are valid, not filtered until they are: VIPs, real servers and
interfaces come from networks that never meet, labels and numbers are drawn unique. Within
that every field wanders over all the model allows, because the limits are where a
generated file breaks.
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
import operator
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

from services.model import (
    AnyService,
    Balance,
    Check,
    CheckKind,
    CheckProtocol,
    CheckType,
    Cluster,
    Document,
    Feedback,
    Forwarding,
    Interface,
    Layer4Advanced,
    Layer4Server,
    Layer4Service,
    Local,
    Mode,
    NatEntry,
    NatProtocol,
    Persistence,
    RealServer,
    Role,
    Scheduler,
    ServerState,
    VirtualService,
)
from services.model.base import Address, InterfaceAddress
from services.model.layer4 import (
    HASHING,
    OWN_MARKS,
    Protocol,
    Tunnel,
    TunnelChecksum,
    has_own_mark,
    several_ports,
)
from services.model.local import InterfaceName

WORD = "ABCXYZabcxyz0189"


# Made once: building a strategy costs more than drawing from it.
LABELS = st.text(WORD + "_.-", min_size=1, max_size=12) | st.text(
    WORD + "_.-", min_size=1, max_size=63
)
COMMENTS = st.text("abc XYZ'\"#$\\{}[]%;äß漢字e\u0301", max_size=30) | st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=200
)
IDS = st.integers(1, 2**31 - 1)
PORTS = st.integers(1, 65535)
YES = st.booleans()
VIPS = {
    version: st.integers(1, 250).map(functools.partial(operator.add, ipaddress.ip_address(base)))
    for version, base in ((4, "203.0.113.0"), (6, "2001:db8:1::"))
}
SERVER_ADDRESSES = {
    version: st.integers(1, 250).map(functools.partial(operator.add, ipaddress.ip_address(base)))
    for version, base in ((4, "198.51.100.0"), (6, "2001:db8:2::"))
}
FAMILIES: list[tuple[int, ...]] = [(4,), (6,), (4, 6)]
VERSIONS = st.sampled_from(FAMILIES)
STATUS_CODES = st.lists(st.integers(100, 599), min_size=1, max_size=6, unique=True)


def labels() -> SearchStrategy[str]:
    """Labels, short ones first."""
    return LABELS


def email_addresses() -> SearchStrategy[str]:
    """Addresses that the model takes."""
    return st.from_regex(r"[a-z_][a-z0-9_+=-]{0,9}@[a-z]{1,9}(\.[a-z]{2,9}){0,2}", fullmatch=True)


def comments() -> SearchStrategy[str]:
    """Whatever somebody may say in one line: quotes, signs, wide and combining letters."""
    return COMMENTS


def vips(version: int = 4) -> SearchStrategy[Address]:
    """Addresses clients connect to: never an interface's, never a real server's."""
    return VIPS[version]


def server_addresses(version: int = 4) -> SearchStrategy[Address]:
    """Addresses of real servers."""
    return SERVER_ADDRESSES[version]


PORT_STARTS = st.lists(st.tuples(st.integers(1, 650), st.integers(0, 40)), max_size=4)
SINGLE_PORTS = st.lists(st.sampled_from(["1", "80", "65535"]), unique=True)


@composite
def port_lists(draw: DrawFn) -> str:
    """Ports as people write them: single, several, ranges; never the appliance's own, 22."""
    starts = dict(draw(PORT_STARTS))
    pieces = draw(SINGLE_PORTS)
    pieces += [
        f"{start}00" if not more else f"{start}00-{start * 100 + more}"
        for start, more in starts.items()
    ]
    return (", " if draw(YES) else ",").join(pieces or ["443"])


CHECK_FIELDS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(CheckKind),
        "port": st.integers(0, 65535),
        "path": st.text("abz09/._~!&()*+,;=:@%?-", max_size=254).map("/{}".format),
        "host": st.sampled_from(["", "www.example.com", "x", "a-b.example"]),
        "expect_status": STATUS_CODES.map(
            lambda codes: ",".join(
                f"{code}-{code + 1}" if code % 7 == 0 and code < 599 else str(code)
                for code in codes
            )
        ),
        "expect": st.text("abz 09_.,:;/<>=!?()@%+*&~|-", max_size=127).map(str.strip),
        "interval_s": st.integers(1, 3600),
        "timeout_s": st.integers(1, 300),
        "fall": st.integers(1, 100),
        "rise": st.integers(1, 100),
    }
)


def checks() -> SearchStrategy[Check]:
    """Health checks of every kind; every other one as the factory has it."""

    def made(fields: dict[str, Any]) -> Check:
        return Check(**fields | {"timeout_s": min(fields["timeout_s"], fields["interval_s"])})

    return st.just(Check()) | CHECK_FIELDS.map(made)


SERVER_FIELDS = {
    version: st.fixed_dictionaries(
        {"id": IDS, "label": LABELS, "address": SERVER_ADDRESSES[version], "port": PORTS},
        optional={
            "weight": st.integers(0, 256),
            "min_connections": st.integers(0, 1_000_000),
            "max_connections": st.integers(0, 1_000_000),
            "state": st.sampled_from(ServerState),
            "comment": COMMENTS,
        },
    )
    for version in (4, 6)
}


def real_servers(version: int = 4) -> SearchStrategy[RealServer]:
    """One real server."""

    def made(fields: dict[str, Any]) -> RealServer:
        least, most = fields.get("min_connections", 0), fields.get("max_connections", 0)
        return RealServer(**fields | {"min_connections": min(least, most)})

    return SERVER_FIELDS[version].map(made)


SERVER_LISTS = {
    versions: st.lists(
        st.one_of([real_servers(version) for version in versions]),
        max_size=5,
        unique_by=(
            lambda server: server.id,
            lambda server: server.label.lower(),
            lambda server: (server.address, server.port),
        ),
    )
    for versions in FAMILIES
}
VIP_LISTS = {
    versions: st.tuples(
        *(st.lists(VIPS[version], min_size=1, max_size=3, unique=True) for version in versions)
    ).map(lambda found: tuple(itertools.chain.from_iterable(found)))
    for versions in FAMILIES
}
SERVICE_FIELDS = {
    versions: st.fixed_dictionaries(
        {
            "id": IDS,
            "label": LABELS,
            "addresses": VIP_LISTS[versions],
            "ports": port_lists(),
            "mode": st.sampled_from(Mode),
            "persistence": st.sampled_from(Persistence),
            "servers": SERVER_LISTS[versions],
        },
        optional={
            "balance": st.sampled_from(Balance),
            "cookie_name": st.text(WORD + "_-", min_size=1, max_size=32),
            "cookie_max_idle_min": st.integers(1, 44_640),
            "cookie_max_life_h": st.integers(1, 744),
            "persistence_timeout_min": st.integers(1, 35_791),
            "persistence_table_size": st.integers(100, 10_000_000),
            "max_connections": st.integers(1, 1_000_000),
            "x_forwarded_for": YES,
            "fallback_address": st.none() | SERVER_ADDRESSES[4],
            "fallback_port": PORTS,
            "check": checks(),
            "comment": COMMENTS,
        },
    )
    for versions in FAMILIES
}


def virtual_services() -> SearchStrategy[VirtualService]:
    """One virtual service with its servers; valid on its own in a document."""

    def made(fields: dict[str, Any]) -> VirtualService:
        if fields["mode"] is Mode.TCP and fields["persistence"] is Persistence.HTTP_COOKIE:
            fields = fields | {"persistence": Persistence.SOURCE_IP}
        return VirtualService(**fields)

    return VERSIONS.flatmap(SERVICE_FIELDS.__getitem__).map(made)


LAYER4_FIELDS = {
    version: st.fixed_dictionaries(
        {
            "id": IDS,
            "label": LABELS,
            "addresses": VIP_LISTS[version,],
            "ports": port_lists(),
            "protocol": st.sampled_from(Protocol),
            "forwarding": st.sampled_from(Forwarding),
            "servers": SERVER_LISTS[version,],
        },
        optional={
            "tunnel": st.sampled_from(Tunnel),
            "tunnel_port": PORTS,
            "tunnel_checksum": st.sampled_from([TunnelChecksum.NONE, TunnelChecksum.FULL]),
            "scheduler": st.sampled_from([each for each in Scheduler if each != "mh"]),
            "hash_port": YES,
            "hash_fallback": YES,
            "persistence_s": st.integers(0, 86_400),
            "granularity": st.integers(1, 32),
            "granularity6": st.integers(1, 128),
            "email_to": st.lists(email_addresses(), max_size=3),
            "email_from": st.just("") | email_addresses(),
            "fallback_address": st.none() | SERVER_ADDRESSES[version],
            "fallback_port": PORTS,
            "comment": COMMENTS,
        },
    )
    for version in (4, 6)
}
LAYER4_CHECK_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(CheckType),
        "protocol": st.sampled_from(CheckProtocol),
        "connects": st.sampled_from([0, 5]),
        "port": PORTS,
        "request": st.text("abz09/._~!&()*+,;=:@%?-", max_size=120).map("/{}".format),
        "expect": st.text("abz 09_.,:;/<>=!?()@%+*&~|-", max_size=127).map(str.strip),
        "verify_tls": YES,
        "login": st.sampled_from(["", "check", "cn=check,dc=example"]),
        "password": st.sampled_from(["", "dir-manager"]),
        "database": st.sampled_from(["", "dc=example", "shop"]),
        "feedback": st.sampled_from(Feedback),
        "timeout_s": st.integers(1, 4),
        "fall": st.integers(1, 100),
        "rise": st.integers(1, 100),
        "slow_start_s": st.sampled_from([0, 60]),
    },
).map(lambda fields: {"port": 80, "host": "www.example.com", "script": "mine", **fields})
"""Fields of checks of layer 4; a mark needs a port, a proxy a site, an answer of addresses one."""
CHECKS_ALONE = LAYER4_CHECK_FIELDS.map(
    lambda fields: (
        fields
        | {
            CheckProtocol.RADIUS: {"password": "shared"},
            CheckProtocol.DNS: {"expect": ""},
        }.get(fields.get("protocol", CheckProtocol.HTTP), {})
    )
)
"""Checks of layer 4 that are valid on their own."""


def layer4_services() -> SearchStrategy[Layer4Service]:
    """One layer 4 service with its servers; valid on its own in a document."""

    def made(given: tuple[dict[str, Any], dict[str, Any]]) -> Layer4Service:
        fields = {**given[0], "check": given[1]}
        if "fallback_address" not in fields:  # the built-in page has its own
            fields = {name: value for name, value in fields.items() if name != "fallback_port"}
        if fields.get("scheduler") not in HASHING:
            fields = fields | {"hash_port": False, "hash_fallback": False}
        if fields.get("tunnel", Tunnel.IPIP) is Tunnel.IPIP:
            fields = fields | {"tunnel_checksum": TunnelChecksum.NONE}
        service = Layer4Service(**fields | {"servers": ()})
        # a server of DR would have to be in a card's network
        servers = () if service.forwarding is Forwarding.DR else fields["servers"]
        keeps_port = service.forwarding is Forwarding.TUN or several_ports(service)
        without = {"port": 0} if keeps_port else {}
        return service.model_copy(
            update={
                "servers": tuple(
                    Layer4Server(**{**server.model_dump(), **without})
                    for server in {each.address: each for each in servers}.values()
                )
            }
        )

    fields = st.one_of(LAYER4_FIELDS[4], LAYER4_FIELDS[6])
    return st.tuples(fields, CHECKS_ALONE).map(made)


CARDS: list[InterfaceName] = ["eth0", "eth1", "eth2", "eth3"]
CARD_FIELDS = st.lists(
    st.tuples(
        st.sampled_from(CARDS),
        st.lists(st.integers(2, 120), max_size=3, unique=True),
        YES,
        st.integers(1280, 9216),
    ),
    max_size=4,
    unique_by=lambda card: card[0],
)
LOCAL_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "hostname": st.sampled_from(["lb-1", "X"]),
        "domain": st.sampled_from(["", "example.com"]),
        "role": st.sampled_from(Role),
        "dns": st.lists(SERVER_ADDRESSES[4], max_size=3, unique=True).map(tuple),
    },
)


@composite
def local_halves(draw: DrawFn) -> Local:
    """The local half: up to four network cards, gateways inside their networks."""
    cards = []
    for name, hosts, six, mtu in draw(CARD_FIELDS):
        own: list[InterfaceAddress] = [
            ipaddress.ip_interface(f"10.{name[-1]}.0.{host}/24") for host in hosts
        ]
        if six:
            own.append(ipaddress.ip_interface(f"2001:db8:a{name[-1]}::2/64"))
        cards.append(Interface(name=name, addresses=tuple(own), mtu=mtu))
    gateways: dict[int, Address] = {}
    if draw(YES):
        networks = (own.network for card in cards for own in card.addresses)
        gateways = {network.version: network[1] for network in networks}
    return Local(
        interfaces=tuple(cards),
        gateway=gateways.get(4),
        gateway6=gateways.get(6),
        **draw(LOCAL_FIELDS),
    )


def _ports_apart(services: list[AnyService]) -> list[AnyService]:
    """Two services that drew the same VIP get ports that cannot meet."""
    taken: set[Address] = set()
    apart: list[AnyService] = []
    for number, service in enumerate(services):
        meets = bool(taken & set(service.addresses))
        taken |= set(service.addresses)
        ports = {"ports": str(65100 + number)} if meets else {}
        apart.append(service.model_copy(update=ports))
    return apart


def _marked(services: list[AnyService]) -> list[AnyService]:
    """Each with a firewall mark of its own, as far as it has one."""
    return [
        service.model_copy(update={"mark": _mark(service, number)})
        if isinstance(service, Layer4Service)
        else service
        for number, service in enumerate(services, 1)
    ]


def _mark(service: Layer4Service, number: int) -> int:
    if service.protocol is Protocol.MARK:
        return number
    return number * OWN_MARKS if has_own_mark(service) else 0


SERVICE_LISTS = st.lists(
    st.one_of(virtual_services(), layer4_services()),
    max_size=4,
    unique_by=(lambda service: service.id, lambda service: service.label.lower()),
).map(lambda found: Cluster().with_services(_marked(_ports_apart(found))))
OUTSIDE = {4: ("192.0.2.", "172.16.0."), 6: ("2001:db8:3::", "fd00::")}
"""Where 1:1 NAT leads from and to: networks that nothing else has."""
NAT_FIELDS = st.tuples(
    st.integers(1, 250),
    st.sampled_from([4, 6]),
    st.sampled_from(NatProtocol),
    st.sampled_from([None, "25", "25,3389", "1000-1010"]),
)


def _entry(fields: tuple[int, int, NatProtocol, str | None]) -> NatEntry:
    last, version, protocol, ports = fields
    outside, inside = OUTSIDE[version]
    return NatEntry(
        id=last,
        label=f"server-{last}",
        address=ipaddress.ip_address(f"{outside}{last}"),
        server=ipaddress.ip_address(f"{inside}{last}"),
        protocol=protocol,
        ports=None if protocol is NatProtocol.ANY else ports,
    )


NAT_LISTS = st.lists(NAT_FIELDS, max_size=2, unique_by=lambda fields: fields[0]).map(
    lambda found: tuple(map(_entry, found))
)
ADVANCED = st.sampled_from(
    [
        Layer4Advanced(),
        Layer4Advanced(tcp_timeout_s=1, tcp_fin_timeout_s=1, udp_timeout_s=604_800),
        Layer4Advanced(quiescent=False, release_persistent=False, one_arm_nat=True),
    ]
)


def _whole(parts: tuple[Cluster, Local, tuple[NatEntry, ...], Layer4Advanced, bool]) -> Document:
    """Auto-NAT, if at all, by a card with an address."""
    cluster, local, nat, advanced, auto = parts
    cards = [card.name for card in local.interfaces if card.addresses]
    if auto and cards:
        advanced = advanced.model_copy(update={"auto_nat": cards[0]})
    cluster = cluster.model_copy(update={"nat": nat, "layer4_advanced": advanced})
    return Document(cluster=cluster, local=local)


DOCUMENTS = st.tuples(SERVICE_LISTS, local_halves(), NAT_LISTS, ADVANCED, YES).map(_whole)


def documents() -> SearchStrategy[Document]:
    """Whole documents, every object with its permanent id."""
    return DOCUMENTS
