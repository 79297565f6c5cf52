# SPDX-License-Identifier: Apache-2.0
"""UDP, DNS, RADIUS and SIP: what a server says is understood, and what strangers send is not."""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.targets import Way
from services.model.checks import CheckProtocol
from services.probe import dns, radius, sip
from services.probe.ping import checksum
from tests.unit.probing import closed_port, datagrams, job, words

REFUSED = "connection refused"
SILENT = "no answer within 1.0 s"


def silent(_: bytes) -> Iterable[bytes]:
    return ()


ANSWERING = (CheckProtocol.DNS, CheckProtocol.RADIUS, CheckProtocol.SIP)
"""Silence is no answer of these."""


@pytest.mark.parametrize("kind", [CheckProtocol.UDP, *ANSWERING])
async def test_a_refusal_is_a_refusal(kind: Way) -> None:
    assert await words(job(kind, closed_port(), secret="shared")) == REFUSED


@pytest.mark.parametrize("kind", ANSWERING)
async def test_silence_is_no_answer(kind: Way) -> None:
    async with datagrams(silent) as port:
        assert await words(job(kind, port, secret="shared", timeout_s=1)) == SILENT


@pytest.mark.parametrize("kind", ANSWERING)
async def test_noise_is_no_answer(kind: Way) -> None:
    async with datagrams(lambda data: (b"", b"\0" * 20, data, b"\xff" * 60_000)) as port:
        assert await words(job(kind, port, secret="shared", timeout_s=1)) == SILENT


# -- UDP ------------------------------------------------------------------------------------------


async def test_udp_takes_silence_for_a_yes_unless_something_is_expected() -> None:
    async with datagrams(silent) as port:
        assert await words(job(CheckProtocol.UDP, port, timeout_s=1)) == "well"
        assert await words(job(CheckProtocol.UDP, port, timeout_s=1, expect="pong")) == SILENT


async def test_udp_compares_the_answer() -> None:
    async with datagrams(lambda data: (b"pong\0" + data,)) as port:
        assert await words(job(CheckProtocol.UDP, port, request="ping", expect="pong")) == "well"
        assert (
            await words(job(CheckProtocol.UDP, port, expect="ok"))
            == r"answer pong\u0000, expected ok"
        )


async def test_a_lost_question_is_asked_again() -> None:
    heard: list[bytes] = []

    def late(data: bytes) -> Iterable[bytes]:
        heard.append(data)
        return (b"pong",) if len(heard) > 1 else ()

    async with datagrams(late) as port:
        assert await words(job(CheckProtocol.UDP, port, expect="pong", timeout_s=3)) == "well"


# -- DNS ------------------------------------------------------------------------------------------


def reply(asked: bytes, rcode: int, *addresses: str, cut: bool = False) -> bytes:
    flags = 0x8180 | rcode | (0x200 if cut else 0)
    records = b""
    for address in map(ip_address, addresses):
        kind = dns.A if address.version == 4 else dns.AAAA
        packed = address.packed
        records += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(packed)) + packed
    return asked[:2] + struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0) + asked[12:] + records


@pytest.mark.parametrize(
    ("rcode", "addresses", "manner", "told"),
    [
        (0, (), {}, "well"),
        (5, (), {}, "well"),
        (0, ("192.0.2.7",), {"request": "www.example.com"}, "well"),
        (5, (), {"request": "www.example.com"}, "answer REFUSED, expected an answer"),
        (3, (), {"request": "a.b", "expect": "192.0.2.7"}, "answer NXDOMAIN, expected 192.0.2.7"),
        (0, ("192.0.2.8", "192.0.2.7"), {"request": "a.b", "expect": "192.0.2.7"}, "well"),
        (0, ("2001:db8::7",), {"request": "a.b", "expect": "2001:DB8:0::7"}, "well"),
        (
            0,
            ("192.0.2.8",),
            {"request": "a.b", "expect": "192.0.2.7"},
            "answer 192.0.2.8, expected 192.0.2.7",
        ),
        (0, (), {"request": "a.b", "expect": "192.0.2.7"}, "answer empty, expected 192.0.2.7"),
        (0, (), {"request": "a" * 64}, f"{'a' * 64} is no name that DNS can be asked for"),
        (0, (), {"expect": "ok"}, "ok is no address that could be in an answer"),
    ],
)
async def test_dns(
    rcode: int, addresses: tuple[str, ...], manner: dict[str, Any], told: str
) -> None:
    async with datagrams(lambda data: (reply(data, rcode, *addresses),)) as port:
        assert await words(job(CheckProtocol.DNS, port, **manner)) == told


async def test_an_answer_to_another_question_is_passed_over() -> None:
    def late(data: bytes) -> Iterable[bytes]:
        other = bytes([data[0] ^ 1]) + data[1:]
        return (
            reply(other, 5),
            reply(data[:12] + b"\1x\0\0\1\0\1", 5),
            reply(data, 0, "192.0.2.7"),
        )

    async with datagrams(late) as port:
        manner: dict[str, Any] = {"request": "www.example.com", "expect": "192.0.2.7"}
        assert await words(job(CheckProtocol.DNS, port, **manner)) == "well"


@given(st.binary(max_size=200), st.integers(0, 300))
def test_no_bytes_break_the_reader_of_dns(noise: bytes, cut: int) -> None:
    asked = dns.question(7, "www.example.com", dns.A)
    good = reply(asked, 0, "192.0.2.7")
    for data in (noise, good[:cut], good[:cut] + noise):
        found = dns.answered(data, asked)
        assert found is None or found.addresses <= {"192.0.2.7"} or noise


# -- RADIUS ---------------------------------------------------------------------------------------

NEMO = bytes.fromhex("0f403f9473978057bd83d5cb98f4227a")


def test_a_password_is_hidden_as_in_the_standards_example() -> None:
    """RFC 2865, 7.1."""
    hidden = radius.hidden(b"arctangent", b"xyzzy5461", NEMO)
    assert hidden.hex() == "0dbe708d93d413ce3196e43f782a0aee"


def test_the_answer_of_the_standards_example_is_taken_and_no_other() -> None:
    answer = bytes.fromhex(
        "0200002686fe220e7624ba2a1005f6bf9b55e0b206060000000"  # as the RFC prints it, in one
        "10f06000000000e06c0a80103"
    )
    asked = b"\1\0\0\x38" + NEMO
    assert radius.answered(answer, asked, "xyzzy5461") == radius.ACCEPT
    assert radius.answered(answer, asked, "xyzzy5462") is None
    assert radius.answered(answer[:-1] + b"\4", asked, "xyzzy5461") is None
    assert radius.answered(answer[:-1], asked, "xyzzy5461") is None


def radius_reply(asked: bytes, code: int, shared: bytes, *, forged: bool = False) -> bytes:
    blank = b"\x50\x12" + bytes(16)
    head = bytes([code, asked[1]]) + struct.pack("!H", 20 + len(blank))
    told = hmac.digest(shared, head + asked[4:20] + blank, "md5")
    parts = blank[:2] + (bytes(16) if forged else told)
    return head + hashlib.md5(head + asked[4:20] + parts + shared).digest() + parts


def password_in(asked: bytes, shared: bytes) -> str:
    at = 20
    while asked[at] != 2:
        at += asked[at + 1]
    before, told = asked[4:20], b""
    value = asked[at + 2 : at + asked[at + 1]]
    for place in range(0, len(value), 16):
        key = hashlib.md5(shared + before).digest()
        before = value[place : place + 16]
        told += bytes(one ^ two for one, two in zip(before, key, strict=True))
    return told.rstrip(b"\0").decode()


def a_radius_server(data: bytes) -> Iterable[bytes]:
    signed = data[:-16] + bytes(16)
    assert data[-18:-16] == b"\x50\x12"
    assert data[-16:] == hmac.digest(b"shared", signed, "md5")
    good = password_in(data, b"shared") == "a password of more than sixteen signs"
    return (radius_reply(data, radius.ACCEPT if good else radius.REJECT, b"shared"),)


@pytest.mark.parametrize(
    ("login", "secret", "told"),
    [
        ("anna", "a password of more than sixteen signs\nshared", "well"),
        ("anna", "wrong\nshared", "answer Access-Reject, expected Access-Accept"),
        ("", "shared", "well"),
        ("", "", "no shared secret is stored for it"),
    ],
)
async def test_radius(login: str, secret: str, told: str) -> None:
    async with datagrams(a_radius_server) as port:
        assert await words(job(CheckProtocol.RADIUS, port, secret=secret, login=login)) == told


async def test_an_answer_without_the_shared_secret_is_none() -> None:
    def forged(data: bytes) -> Iterable[bytes]:
        return (
            radius_reply(data, radius.ACCEPT, b"guessed"),
            radius_reply(data, radius.ACCEPT, b"shared", forged=True),
        )

    async with datagrams(forged) as port:
        assert await words(job(CheckProtocol.RADIUS, port, secret="shared", timeout_s=1)) == SILENT


# -- SIP ------------------------------------------------------------------------------------------


def sip_reply(data: bytes, status: str, more: str = "") -> bytes:
    text = data.decode()
    kept = [line for line in text.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
    return "\r\n".join([f"SIP/2.0 {status}", *kept, *([more] if more else []), "", ""]).encode()


@pytest.mark.parametrize(
    ("status", "login", "told"),
    [
        ("200 OK", "anna", "well"),
        ("404 Not Found", "", "well"),
        ("404 Not Found", "anna", "answer 404 Not Found, expected 200"),
        ("501 Not Implemented", "", "well"),
        ("503 Service Unavailable", "", "answer 503 Service Unavailable, expected 200"),
        ("200", "", "well"),
    ],
)
async def test_sip(status: str, login: str, told: str) -> None:
    trying = "100 Trying"
    async with datagrams(lambda data: (sip_reply(data, trying), sip_reply(data, status))) as port:
        assert await words(job(CheckProtocol.SIP, port, login=login)) == told


@pytest.mark.parametrize("qop", ['qop="auth,auth-int", ', ""])
async def test_sip_answers_a_challenge(qop: str) -> None:
    def guarded(data: bytes) -> Iterable[bytes]:
        text = data.decode()
        if "\r\nAuthorization: Digest " not in text:
            challenge = f'WWW-Authenticate: Digest realm="pbx", {qop}nonce="n1", opaque="o"'
            return (sip_reply(data, "401 Unauthorized", challenge),)
        told = dict(re.findall(r'(\w+)="?([^",\r]+)', text.partition("Digest ")[2]))
        who = hashlib.md5(b"anna:pbx:secret").hexdigest()
        what = hashlib.md5(f"OPTIONS:{told['uri']}".encode()).hexdigest()
        middle = f"{told['nc']}:{told['cnonce']}:auth:" if qop else ""
        good = hashlib.md5(f"{who}:n1:{middle}{what}".encode()).hexdigest()
        right = told["response"] == good and told["opaque"] == "o"
        return (sip_reply(data, "200 OK" if right else "403 Forbidden"),)

    async with datagrams(guarded) as port:
        assert await words(job(CheckProtocol.SIP, port, login="anna", secret="secret")) == "well"
        wrong = await words(job(CheckProtocol.SIP, port, login="anna", secret="wrong"))
        assert wrong == "answer 403 Forbidden, expected 200"


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader_of_sip(noise: bytes) -> None:
    asking = sip.Asking("sip:192.0.2.1", "192.0.2.2:5060", "call")
    found = asking.reply(noise, 1)
    assert found is None
    asking.reply(b"SIP/2.0 401 No\r\nCall-ID: call\r\nCSeq: 1 OPTIONS\r\n" + noise, 1)


# -- ping -----------------------------------------------------------------------------------------


def test_the_checksum_is_the_internets() -> None:
    """RFC 1071, 3: the example's sum is ddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
