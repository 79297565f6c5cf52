# SPDX-License-Identifier: Apache-2.0
"""Documents that the model and the rules between objects accept, made for property tests.

They are built so that they are valid, not filtered until they are: VIPs, real servers and
interfaces come from networks that never meet, labels and numbers are drawn unique. Within
that every field wanders over all the model allows, because the limits are where a
generated file breaks.
"""

from __future__ import annotations

import ipaddress

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

from services.model import (
    Balance,
    Check,
    CheckKind,
    Cluster,
    Document,
    Interface,
    Local,
    Mode,
    Persistence,
    RealServer,
    Role,
    ServerState,
    VirtualService,
)
from services.model.base import Address, InterfaceAddress
from services.model.local import InterfaceName

WORD = "ABCXYZabcxyz0189"


def labels() -> SearchStrategy[str]:
    """Labels, short ones first."""
    return st.text(WORD + "_.-", min_size=1, max_size=12) | st.text(
        WORD + "_.-", min_size=1, max_size=63
    )


def comments() -> SearchStrategy[str]:
    """Whatever somebody may say in one line: quotes, signs, wide and combining letters."""
    plain = st.text("abc XYZ'\"#$\\{}[]%;äß漢字e\u0301", max_size=30)
    return plain | st.text(
        st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=200
    )


def vips(version: int) -> SearchStrategy[Address]:
    """Addresses clients connect to: never an interface's, never a real server's."""
    base = "203.0.113.0" if version == 4 else "2001:db8:1::"
    return st.integers(1, 250).map(lambda offset: ipaddress.ip_address(base) + offset)


def server_addresses(version: int) -> SearchStrategy[Address]:
    """Addresses of real servers."""
    base = "198.51.100.0" if version == 4 else "2001:db8:2::"
    return st.integers(1, 250).map(lambda offset: ipaddress.ip_address(base) + offset)


@composite
def port_lists(draw: DrawFn) -> str:
    """Ports as people write them: single, several, ranges; never the appliance's own, 22."""
    starts = draw(st.lists(st.integers(1, 650), max_size=4, unique=True))
    pieces = draw(st.lists(st.sampled_from(["1", "80", "65535"]), unique=True))
    pieces = pieces if pieces or starts else ["443"]
    for start in starts:
        first = start * 100
        last = min(first + draw(st.integers(0, 40)), 65535)
        pieces.append(str(first) if first == last else f"{first}-{last}")
    return draw(st.sampled_from([",", ", "])).join(pieces)


@composite
def checks(draw: DrawFn) -> Check:
    """Health checks of every kind."""
    interval_s = draw(st.integers(1, 3600))
    codes = sorted(draw(st.lists(st.integers(100, 599), min_size=1, max_size=6, unique=True)))
    expect_status = ",".join(
        f"{code}-{code + 1}" if code % 7 == 0 and code < 599 else str(code) for code in codes
    )
    return Check(
        kind=draw(st.sampled_from(CheckKind)),
        port=draw(st.integers(0, 65535)),
        path="/" + draw(st.text("abz09/._~!&()*+,;=:@%?-", max_size=254)),
        host=draw(st.sampled_from(["", "www.example.com", "x", "a-b.example"])),
        expect_status=expect_status,
        expect=draw(st.text("abz 09_.,:;/<>=!?()@%+*&~|-", max_size=127)).strip(),
        interval_s=interval_s,
        timeout_s=draw(st.integers(1, min(interval_s, 300))),
        fall=draw(st.integers(1, 100)),
        rise=draw(st.integers(1, 100)),
    )


@composite
def real_servers(draw: DrawFn, version: int = 4) -> RealServer:
    """One real server."""
    most = draw(st.integers(0, 1_000_000))
    return RealServer(
        id=draw(st.integers(1, 2**31 - 1)),
        label=draw(labels()),
        address=draw(server_addresses(version)),
        port=draw(st.integers(1, 65535)),
        weight=draw(st.integers(0, 256)),
        min_connections=draw(st.integers(0, most)),
        max_connections=most,
        state=draw(st.sampled_from(ServerState)),
        comment=draw(comments()),
    )


@composite
def virtual_services(draw: DrawFn, *, most_servers: int = 5) -> VirtualService:
    """One virtual service with its servers; valid on its own in a document."""
    versions = draw(st.sampled_from([(4,), (6,), (4, 6)]))
    addresses = [
        address
        for version in versions
        for address in draw(st.lists(vips(version), min_size=1, max_size=3, unique=True))
    ]
    servers = draw(
        st.lists(
            st.sampled_from(versions).flatmap(real_servers),
            max_size=most_servers,
            unique_by=(
                lambda server: server.id,
                lambda server: server.label.lower(),
                lambda server: (server.address, server.port),
            ),
        )
    )
    mode = draw(st.sampled_from(Mode))
    kept = [Persistence.NONE, Persistence.SOURCE_IP]
    if mode is Mode.HTTP:
        kept.append(Persistence.HTTP_COOKIE)
    return VirtualService(
        id=draw(st.integers(1, 2**31 - 1)),
        label=draw(labels()),
        addresses=tuple(addresses),
        ports=draw(port_lists()),
        mode=mode,
        balance=draw(st.sampled_from(Balance)),
        persistence=draw(st.sampled_from(kept)),
        cookie_name=draw(st.text(WORD + "_-", min_size=1, max_size=32)),
        cookie_max_idle_min=draw(st.integers(1, 44_640)),
        cookie_max_life_h=draw(st.integers(1, 744)),
        persistence_timeout_min=draw(st.integers(1, 44_640)),
        persistence_table_size=draw(st.integers(100, 10_000_000)),
        max_connections=draw(st.integers(1, 1_000_000)),
        x_forwarded_for=draw(st.booleans()),
        fallback_address=draw(
            st.none() | st.just(ipaddress.ip_address("127.0.0.1")) | server_addresses(4)
        ),
        fallback_port=draw(st.integers(1, 65535)),
        check=draw(checks()),
        servers=tuple(servers),
        comment=draw(comments()),
    )


@composite
def local_halves(draw: DrawFn) -> Local:
    """The local half: up to four network cards, gateways inside their networks."""
    cards: list[InterfaceName] = ["eth0", "eth1", "eth2", "eth3"]
    names = draw(st.lists(st.sampled_from(cards), unique=True))
    interfaces = []
    for name in names:
        card = int(name[-1])
        own = draw(st.lists(st.integers(2, 120), max_size=3, unique=True))
        addresses: list[InterfaceAddress] = [
            ipaddress.ip_interface(f"10.{card}.0.{host}/24") for host in own
        ]
        if draw(st.booleans()):
            addresses.append(ipaddress.ip_interface(f"2001:db8:a{card}::{len(own) + 2}/64"))
        interfaces.append(
            Interface(name=name, addresses=tuple(addresses), mtu=draw(st.integers(1280, 9216)))
        )
    reachable = [address.network for card in interfaces for address in card.addresses]
    first = {
        version: next((net[1] for net in reachable if net.version == version), None)
        for version in (4, 6)
    }
    return Local(
        hostname=draw(st.sampled_from(["lbmaster", "lb-1", "X"])),
        domain=draw(st.sampled_from(["", "example.com"])),
        role=draw(st.sampled_from(Role)),
        interfaces=tuple(interfaces),
        gateway=draw(st.sampled_from([None, first[4]])),
        gateway6=draw(st.sampled_from([None, first[6]])),
        dns=tuple(draw(st.lists(server_addresses(4), max_size=3, unique=True))),
    )


def _ports_apart(services: list[VirtualService]) -> tuple[VirtualService, ...]:
    """Two services that drew the same VIP get ports that cannot meet."""
    taken: set[Address] = set()
    apart = []
    for number, service in enumerate(services):
        meets = bool(taken & set(service.addresses))
        taken |= set(service.addresses)
        ports = {"ports": str(65100 + number)} if meets else {}
        apart.append(service.model_copy(update=ports))
    return tuple(apart)


def documents(*, most_services: int = 4, most_servers: int = 4) -> SearchStrategy[Document]:
    """Whole documents, every object with its permanent id."""
    services = st.lists(
        virtual_services(most_servers=most_servers),
        max_size=most_services,
        unique_by=(lambda service: service.id, lambda service: service.label.lower()),
    )
    return st.builds(
        Document,
        cluster=services.map(lambda found: Cluster(layer7=_ports_apart(found))),
        local=local_halves(),
    )
