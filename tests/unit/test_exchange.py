# SPDX-License-Identifier: Apache-2.0
"""What other programs' configurations may hold: anything; and what comes back of a table."""

from __future__ import annotations

import resource
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import Refused
from services.exchange import (
    Imported,
    read_ipvsadm,
    read_keepalived,
    read_ldirectord,
    text_of,
    write_ipvsadm,
)
from services.exchange.lines import LONGEST, MOST_LINES
from services.exchange.making import MOST_IN_ALL, MOST_SERVERS
from services.exchange.names import Labels, Unread, port_of, prefix_of, socket_of
from services.model import Cluster, Document
from services.model.layer4 import Protocol, has_own_mark
from services.render.ipvs import ipvs_wanted
from tests import strategies

READERS = (read_ipvsadm, read_ldirectord, read_keepalived)
Reader = Callable[..., Imported]


def read(reader: Reader, text: str) -> Imported:
    return reader(text, marks={}, labels=Labels())


WORDS = st.sampled_from(
    [
        "-A", "-a", "-t", "-u", "-f", "-r", "-p", "-M", "-w", "192.0.2.1:80", "[2001:db8::1]:80",
        "virtual=", "virtual6 = ", "\treal=", "    ", "192.0.2.2", "gate", "masq", "\n", "\n",
        "virtual_server", "real_server", "{", "}", "80", "\\", '"', "'", "weight", "fwmark",
        "virtual_server_group", "group", "-", "->", "/", "#", "!", "$", "@", "~SEQ(", "=",
        "\x1b[2J", "\u202e", ":", "999999999999999", "255.255.255.0", "DR",
        "lvs_method", "TCP_CHECK", "url", "checktype=",
    ]
)  # fmt: skip


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(WORDS | st.text(max_size=8), max_size=60), gap=st.sampled_from(["", " "]))
def test_whatever_a_file_holds_it_is_read(reader: Reader, pieces: list[str], gap: str) -> None:
    came = read(reader, gap.join(pieces))
    Document(cluster=Cluster(layer4=came.services))
    assert "".join(map(str, came.leftovers)).isprintable() or not came.leftovers


@settings(deadline=None, max_examples=100)
@given(strategies.documents())
def test_a_table_comes_back_from_its_rules(document: Document) -> None:
    services = tuple(
        each.model_copy(update={"fallback_address": None})
        for each in document.cluster.layer4
        if not has_own_mark(each)
    )
    wanted = ipvs_wanted(document.model_copy(update={"cluster": Cluster(layer4=services)})).table
    marks = {each.mark: each.addresses for each in services if each.protocol is Protocol.MARK}
    rules = write_ipvsadm(wanted)
    came = read_ipvsadm(rules, marks=marks, labels=Labels())
    assert came.leftovers == ()
    back = Document(cluster=Cluster(layer4=came.services))
    assert ipvs_wanted(back).table == wanted
    assert write_ipvsadm(ipvs_wanted(back).table) == rules


def test_labels_are_new_whatever_their_capitals() -> None:
    labels = Labels(["Web-1", "x" * 63])
    assert labels.new("web 1") == "web-1-2"
    assert labels.new("web 1") == "web-1-3"
    assert labels.new("[2001:db8::1]:80") == "2001-db8--1--80"
    assert labels.new("x" * 80) == "x" * 61 + "-2"
    assert labels.new("\x1b\u202e") == "service"


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("192.0.2.1:http", ("192.0.2.1", 80)),
        ("192.0.2.1", ("192.0.2.1", 0)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("[2001:db8::1]", ("2001:db8::1", 0)),
        ("2001:db8::1", ("2001:db8::1", 0)),
    ],
)
def test_addresses_with_their_ports(word: str, found: tuple[str, int]) -> None:
    address, port = socket_of(word)
    assert (str(address), port) == found


@pytest.mark.parametrize("word", ["", ":80", "192.0.2.1:", "192.0.2.1:80:80", "a.example:80", "٣"])
def test_what_is_no_address(word: str) -> None:
    with pytest.raises(Unread):
        socket_of(word)


@pytest.mark.parametrize("word", ["65536", "-1", "٨٠", "1.5", "https://"])
def test_what_is_no_port(word: str) -> None:
    with pytest.raises(Unread):
        port_of(word)


def test_netmasks_in_both_notations() -> None:
    assert prefix_of("255.255.240.0", 4) == 20
    assert prefix_of("24", 4) == 24
    assert prefix_of("64", 6) == 64
    for wrong in ("255.0.255.0", "ffff::", "none"):
        with pytest.raises(Unread):
            prefix_of(wrong, 4)


def test_a_secret_is_not_quoted() -> None:
    for line in (
        '\tpasswd = "geheim"',
        "\tsecret=geheim",
        "auth_pass geheim",
        "ssl_password geheim",
    ):
        came = read(read_ldirectord, f"virtual=192.0.2.1:80\n{line}\n")
        assert "geheim" not in str(came.leftovers)
        assert came.leftovers


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(Refused, match="binary"):
        text_of(b"\x7fELF\0", "core")
    assert text_of(b"\xef\xbb\xbfb\xfcro", "x") == "b\\xfcro"


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_a_file_of_too_many_lines_is_refused(reader: Reader) -> None:
    with pytest.raises(Refused, match="lines"):
        read(reader, "\n" * MOST_LINES)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_a_line_too_long_is_left_over(reader: Reader) -> None:
    (left,) = read(reader, "\n" + "x" * (LONGEST + 1) + "\n").leftovers
    assert (left.first, left.why) == (2, f"It is longer than {LONGEST} signs.")
    assert len(left.text) < 200


def test_blocks_too_deep_are_left_over_whole() -> None:
    text = "virtual_server 192.0.2.1 80 {\n" + "a {\n" * 5000 + "}\n" * 5001 + "other 1\n"
    deep, other = read(read_keepalived, text).leftovers
    assert (deep.first, deep.last, other.first) == (1, 10_002, 10_003)


HOSTILE = {
    "one service of servers without end": (
        read_ipvsadm,
        "-A -t 192.0.2.1:80\n"
        + "".join(
            f"-a -t 192.0.2.1:80 -r 10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(150_000)
        ),
    ),
    "services of one label": (read_ldirectord, "virtual=192.0.2.1:80\n\tservicename=x\n" * 90_000),
    "ranges of ranges": (
        read_ldirectord,
        "virtual=192.0.2.1:80\n\treal=10.0.0.0->10.0.3.231:80 gate\n" * 90_000,
    ),
    "quotes that never end": (read_keepalived, ("\"\\'" * 1300 + "${" * 60 + "\n") * 4000),
    "blanks that lead nowhere": (
        read_ldirectord,
        "virtual=192.0.2.1:80\n" + ("\treal=a " + " " * 4000 + '"\n') * 4000,
    ),
    "braces that never close": (read_keepalived, "a { b {\n" * 99_000),
    "groups without end": (
        read_keepalived,
        "virtual_server_group A {\n" + "10.0.0.0/22 80\n" * 100_000 + "}\n"
        "virtual_server group A {\n" + "real_server 10.9.9.9 80 { weight 1 }\n" * 1000 + "}\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_seconds_and_no_more(name: str) -> None:
    reader, text = HOSTILE[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    came = read(reader, text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 30
    assert came.leftovers
    assert sum(len(each.servers) for each in came.services) <= MOST_IN_ALL
    assert all(len(each.servers) <= MOST_SERVERS for each in came.services)
