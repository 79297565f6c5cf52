# SPDX-License-Identifier: Apache-2.0
"""Values in commands for real servers: one word each, whatever they hold."""

from __future__ import annotations

import subprocess
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import NotFound
from services.model import Document
from services.render.setup import as_text, server_setup
from services.render.setup.facts import facts_of
from services.render.setup.word import powershell_word, shell_word
from services.systems import SYSTEM_NAMES, System

printable = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" ")).filter(
    str.isprintable
)


@pytest.mark.needs("sh")
@given(printable)
def test_a_shell_reads_a_word_back_as_it_was(text: str) -> None:
    # once for many: a process for each would take minutes
    words = [text, f"-{text}", f"$({text})", f"'{text}'"]
    script = "printf '%s\\n' " + " ".join(shell_word(word) for word in words)
    told = subprocess.run(["sh", "-c", script], check=True, capture_output=True)
    assert told.stdout.decode().removesuffix("\n").split("\n") == words


@pytest.mark.parametrize("quote", ["'", "\u2018", "\u2019", "\u201a", "\u201b"])
def test_powershell_sees_every_kind_of_quote_doubled(quote: str) -> None:
    assert powershell_word(f"a{quote}b") == f"'a{quote}{quote}b'"
    assert powershell_word("192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\u202e", "\u2028"])
def test_what_would_end_a_line_or_move_a_cursor_is_refused(text: str) -> None:
    for word in (shell_word, powershell_word):
        with pytest.raises(ValueError, match="control character"):
            word(text)


def test_a_forgotten_value_is_no_word() -> None:
    for value in (None, True, 1.5, ["a"]):
        with pytest.raises(TypeError):
            shell_word(value)


def document(**service: object) -> Document:
    return Document.model_validate(
        {
            "cluster": {
                "layer4": [
                    {
                        "id": 1,
                        "label": "web",
                        "addresses": ["192.0.2.100"],
                        "ports": 80,
                        "servers": [{"id": 1, "label": "web1", "address": "192.0.2.11"}],
                        **service,
                    },
                    {
                        "id": 2,
                        "label": "halted",
                        "addresses": ["192.0.2.101", "2001:db8::101"],
                        "ports": 53,
                        "protocol": "udp",
                        "servers": [
                            {"id": 2, "label": "ns1", "address": "192.0.2.11", "state": "halt"}
                        ],
                    },
                ]
            },
            "local": {"interfaces": [{"name": "eth0", "addresses": ["192.0.2.1/24"]}]},
        }
    )


def test_a_server_gets_the_vips_of_every_service_it_is_in_halted_or_not() -> None:
    facts = facts_of(document(), ip_address("192.0.2.11"))
    assert [str(vip.address) for vip in facts.vips] == [
        "192.0.2.100",
        "192.0.2.101",
        "2001:db8::101",
    ]
    assert facts.names == ("web/web1", "halted/ns1")
    assert facts.gateway is None


def test_the_gateway_of_a_nat_server_is_a_vip_before_the_units_own_address() -> None:
    facts = facts_of(document(forwarding="nat"), ip_address("192.0.2.11"))
    assert facts.gateway is not None
    assert (str(facts.gateway.address), facts.gateway.floating) == ("192.0.2.100", True)
    elsewhere = document(forwarding="nat", addresses=["203.0.113.10"])
    services = elsewhere.cluster.layer4[:1]
    alone = elsewhere.model_copy(
        update={"cluster": elsewhere.cluster.model_copy(update={"layer4": services})}
    )
    gateway = facts_of(alone, ip_address("192.0.2.11")).gateway
    assert gateway is not None
    assert (str(gateway.address), gateway.floating) == ("192.0.2.1", False)


def test_an_address_that_no_layer_4_service_has_is_refused() -> None:
    with pytest.raises(NotFound, match=r"192\.0\.2\.99"):
        server_setup(document(), ip_address("192.0.2.99"), System.LINUX)


def test_every_system_has_a_name_and_every_text_is_plain() -> None:
    assert set(SYSTEM_NAMES) == set(System)
    for system in System:
        text = as_text(server_setup(document(), ip_address("192.0.2.11"), system))
        assert text.isascii()
        assert all(line.isprintable() for line in text.splitlines())
        assert "''" not in text
