# SPDX-License-Identifier: Apache-2.0
"""Current connections: whose they are, which are shown, and where handshakes pile up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.agent.reports import current_connections
from services.api_reports import DEEPEST, ConnectionQuery, Connections, Order
from services.errors import NotFound, Refused
from services.model import Document
from tests.fakes.ipvs_conn import FakeConnections, entry

WEB, DNS, FTP = "192.0.2.10:80", "192.0.2.11:53", "192.0.2.12:21"
SIX = "[2001:db8::10]:80"


def document(**web: Any) -> Document:
    def server(number: int, label: str, address: str, **more: int) -> dict[str, object]:
        return {"id": number, "label": label, "address": address, **more}

    services = [
        {
            "id": 1,
            "label": "web",
            "addresses": ["192.0.2.10", "2001:db8::10"],
            "servers": [
                server(1, "web1", "10.0.0.1"),
                server(2, "web2", "10.0.0.2"),
                server(3, "web6", "2001:db8::1"),
            ],
            **web,
        },
        {
            "id": 2,
            "label": "dns",
            "addresses": ["192.0.2.11"],
            "ports": "53",
            "protocol": "tcp_udp",
            "mark": 0x4C420001,
            "servers": [server(4, "dns1", "10.0.0.4")],
        },
        {
            "id": 3,
            "label": "ftp",
            "addresses": ["192.0.2.12"],
            "protocol": "mark",
            "mark": 7,
            "forwarding": "nat",
            "servers": [
                server(5, "ftp1", "10.0.0.5", port=2121),
                server(6, "ftp2", "10.0.0.5", port=2122),
            ],
        },
    ]
    return Document.model_validate({"cluster": {"layer4": services}})


LINES = (
    entry("203.0.113.9:40000", WEB, "10.0.0.1:80", "ESTABLISHED", 899),
    entry("203.0.113.8:40001", WEB, "10.0.0.1:80", "FIN_WAIT", 100),
    entry("203.0.113.9:40002", WEB, "10.0.0.2:80", "SYN_RECV", 40),
    entry("[2001:db8:1::1]:40003", SIX, "[2001:db8::1]:80", "ESTABLISHED", 500),
    entry("198.51.100.7:5353", DNS, "10.0.0.4:53", "UDP", 290, protocol="UDP"),
    entry("198.51.100.7:5354", DNS, "10.0.0.4:53", "ESTABLISHED", 880),
    entry("198.51.100.7:40004", FTP, "10.0.0.5:2122", "ESTABLISHED", 700),
    entry("198.51.100.7:40005", "192.0.2.99:80", "10.0.0.9:80", "TIME_WAIT", 20),
    entry("198.51.100.0:0", "0.0.0.7:0", "10.0.0.5:2121", "ASSURED", 300, protocol="IP"),
)


async def asked(*lines: bytes, whole: bool = True, **query: Any) -> Connections:
    table = FakeConnections(lines or LINES, whole)
    return await current_connections(document(), ConnectionQuery(**query), table)


async def test_each_entry_has_the_labels_of_its_service_and_server() -> None:
    found = await asked(order=Order.EXPIRY, reverse=True)
    assert [(row.client, row.service, row.server, row.vip) for row in found.rows] == [
        ("203.0.113.9:40000", "web", "web1", WEB),
        ("198.51.100.7:5354", "dns", "dns1", DNS),
        ("198.51.100.7:40004", "ftp", "ftp2", FTP),
        ("[2001:db8:1::1]:40003", "web", "web6", SIX),
        ("198.51.100.0", "ftp", "ftp1", "mark 7"),
        ("198.51.100.7:5353", "dns", "dns1", DNS),
        ("203.0.113.8:40001", "web", "web1", WEB),
        ("203.0.113.9:40002", "web", "web2", WEB),
        ("198.51.100.7:40005", "", "", "192.0.2.99:80"),
    ]


@pytest.mark.parametrize(
    ("query", "matching"),
    [
        ({}, 9),
        ({"client": "203.0.113.9"}, 2),
        ({"client": "203.0.113.0/24"}, 3),
        ({"client": "2001:db8:1::/48"}, 1),
        ({"vip": "192.0.2.10"}, 3),
        ({"service": "web"}, 4),
        ({"service": "web", "server": "web1"}, 2),
        ({"server": "10.0.0.2"}, 1),
        ({"state": "established"}, 4),
        ({"words": "syn_recv"}, 1),
        ({"words": "web2"}, 1),
        ({"words": "udp"}, 1),
        ({"words": "203.0.113.9 web2"}, 1),
        ({"words": "192.0.2.10"}, 3),
        ({"words": "198.51.100.7 10.0.0.4"}, 2),
        ({"words": "nothing"}, 0),
        ({"client": "203.0.113.9", "state": "UDP"}, 0),
    ],
    ids=str,
)
async def test_a_filter_lets_through_what_it_says(query: dict[str, Any], matching: int) -> None:
    found = await asked(**query)
    assert found.read == 9
    assert found.matching == matching == len(found.rows)
    assert sum(each.connections for each in found.states) == matching


async def test_a_filter_that_cannot_be_understood_is_refused_with_a_remedy() -> None:
    with pytest.raises(Refused, match="neither an address nor a network"):
        await asked(client="web1")
    with pytest.raises(NotFound, match="`shop`"):
        await asked(service="shop")
    with pytest.raises(Refused, match="paged"):
        await asked(offset=DEEPEST, limit=1)


async def test_a_server_with_more_handshakes_waiting_than_done_is_told_with_the_cause() -> None:
    found = await asked()
    [broken] = [server for server in found.servers if server.trouble]
    assert (broken.service, broken.server, broken.waiting) == ("web", "web2", 1)
    assert "192.0.2.10" in broken.trouble
    assert [row.server for row in found.rows if row.suspect] == ["web2"]
    assert found.rows[0].suspect, "what a person looks for comes first"


async def test_a_filter_for_handshakes_makes_no_suspect_of_a_busy_server() -> None:
    lines = [
        *(entry(f"203.0.113.{n}:1", WEB, "10.0.0.1:80", "ESTABLISHED", 899) for n in range(9)),
        entry("203.0.113.99:1", WEB, "10.0.0.1:80", "SYN_RECV", 30),
    ]
    found = await asked(*lines, state="SYN_RECV")
    [server] = found.servers
    assert (server.connections, server.waiting, server.trouble) == (1, 1, "")


async def test_a_handshake_that_has_only_begun_waits_for_nothing() -> None:
    found = await asked(entry("203.0.113.9:1", WEB, "10.0.0.1:80", "SYN_RECV", 59))
    assert found.servers[0].waiting == 0
    assert not found.rows[0].suspect


async def test_a_page_is_cut_out_of_the_sorted_whole() -> None:
    whole = await asked(order=Order.CLIENT)
    pages = [await asked(order=Order.CLIENT, offset=at, limit=4) for at in (0, 4, 8)]
    assert [row for page in pages for row in page.rows] == list(whole.rows)
    assert (await asked(limit=0)).matching == 9


async def test_what_could_not_be_read_or_understood_is_told() -> None:
    part = await asked(whole=False)
    assert not part.whole
    assert "random part" in part.notes[0]
    odd = await asked(b"a line of somebody's", *LINES)
    assert odd.notes == ("1 entries are not understood.",)


states = st.sampled_from(["ESTABLISHED", "SYN_RECV", "TIME_WAIT"])


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 2), states, st.integers(0, 60))))
async def test_totals_are_those_of_the_entries(
    entries: list[tuple[int, int, str, int]],
) -> None:
    lines = [
        entry(f"203.0.113.{client}:1", WEB, f"10.0.0.{server}:80", state, expires)
        for client, server, state, expires in entries
    ]
    found = await asked(*(lines or [b"none"]))
    assert found.read == len(entries)
    assert {each.state: each.connections for each in found.states} == Counter(
        state for _, _, state, _ in entries
    )
    assert {each.server: each.connections for each in found.servers} == Counter(
        f"web{server}" for _, server, _, _ in entries
    )
