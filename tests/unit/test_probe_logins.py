# SPDX-License-Identifier: Apache-2.0
"""Checks that log in, and what they make of servers that lie, drip, flood or hang up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from services.health.targets import Kind, Way
from services.model.checks import CheckProtocol
from services.probe import ber, ldap, mysql, postgresql
from services.probe.found import Failed
from tests.unit.probing import Serve, closed_port, job, scripted, stream, words

STREAMS = [
    *(
        CheckProtocol.POP3,
        CheckProtocol.IMAP,
        CheckProtocol.FTP,
        CheckProtocol.LDAP,
        CheckProtocol.MYSQL,
        CheckProtocol.POSTGRESQL,
        CheckProtocol.REDIS,
    ),
    Kind.AGENT_HTTP,
]
WHO: dict[str, Any] = {"login": "anna", "secret": 'se"cret'}


# -- every kind -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_refusal_is_a_refusal(kind: Way) -> None:
    assert await words(job(kind, closed_port(), **WHO)) == "connection refused"


@pytest.mark.parametrize("kind", STREAMS)
async def test_silence_is_no_answer(kind: Way) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with stream(silent) as port:
        assert await words(job(kind, port, timeout_s=1, **WHO)) == "no answer within 1.0 s"


@pytest.mark.parametrize("kind", STREAMS)
async def test_an_answer_of_nothing(kind: Way) -> None:
    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError):  # a question that was not read would be answered by a reset
            await asyncio.wait_for(reader.read(1000), 0.2)
        writer.close()
        await writer.wait_closed()

    async with stream(gone) as port:
        assert await words(job(kind, port, **WHO)) == "connection closed without a word"


def _flood(piece: bytes) -> Serve:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _number in range(1_000_000_000 // len(piece)):
            writer.write(piece)
            await writer.drain()

    return serve


FLOODS = {
    "lines": b"* OK [220-x\r\n" * 5000,
    "binary": bytes(range(256)) * 256,
    "zeros": bytes(1 << 16),
    "one line": b"a" * (1 << 16),
    "a header": b"HTTP/1.0 200 OK\r\n\r\n" + b"1" * (1 << 16),
    "lengths": b"\x30\x84\x7f\xff\xff\xff" + b"R\x7f\xff\xff\xff" * 1000,
}


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("kind", STREAMS)
async def test_an_answer_of_a_gigabyte_is_cut_off_with_a_clear_word(kind: Way, flood: str) -> None:
    async with stream(_flood(FLOODS[flood])) as port:
        told = await words(job(kind, port, timeout_s=1, **WHO))
    known = ("answer ", "the answer is longer than ", "no answer within 1.0 s", "the server wants")
    assert told.startswith(known)
    assert len(told) < 160
    assert told.isprintable()


async def test_an_answer_that_drips_ends_in_time() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"+")
            await asyncio.sleep(0.05)

    async with stream(drip) as port:
        told = await words(job(CheckProtocol.POP3, port, timeout_s=1, **WHO))
    assert told == "no answer within 1.0 s"


# -- lines ----------------------------------------------------------------------------------------

POP3 = {b"USER anna": b"+OK\r\n", b'PASS se"cret': b"+OK\r\n"}
IMAP = {b'a1 LOGIN "anna" "se\\"cret"': b"* CAPABILITY x\r\na1 OK in\r\n"}
FTP = {b"USER anna": b"331 password\r\n", b'PASS se"cret': b"230-a\r\n b\r\n230 in\r\n"}
FTP_READY = b"220-many\r\n221 x\r\n220 words\r\n"


@pytest.mark.parametrize(
    ("kind", "first", "answers", "told"),
    [
        (CheckProtocol.POP3, b"+OK ready\r\n", POP3, "well"),
        (CheckProtocol.POP3, b"-ERR busy\r\n", POP3, "answer -ERR busy, expected +OK"),
        (
            CheckProtocol.POP3,
            b"+OK\r\n",
            POP3 | {b'PASS se"cret': b"-ERR no\x1b[2J\r\n"},
            r"answer -ERR no\u001b[2J, expected +OK",
        ),
        (CheckProtocol.IMAP, b"* OK ready\r\n", IMAP, "well"),
        (CheckProtocol.IMAP, b"* BYE full\r\n", IMAP, "answer * BYE full, expected * OK"),
        (
            CheckProtocol.IMAP,
            b"* PREAUTH\r\n",
            {next(iter(IMAP)): b"a1 NO wrong\r\n"},
            "answer NO wrong, expected OK",
        ),
        (CheckProtocol.FTP, FTP_READY, FTP, "well"),
        (CheckProtocol.FTP, b"421 Too many\r\n", FTP, "answer 421 Too many, expected 220"),
        (CheckProtocol.FTP, b"SSH-2.0-x\r\n", FTP, "answer SSH-2.0-x, expected 220"),
        (
            CheckProtocol.FTP,
            FTP_READY,
            FTP | {b'PASS se"cret': b"530 no\r\n"},
            "answer 530 no, expected 202",
        ),
    ],
)
async def test_a_login_by_lines(
    kind: Way, first: bytes, answers: Mapping[bytes, bytes], told: str
) -> None:
    async with stream(scripted(first, answers)) as port:
        assert await words(job(kind, port, **WHO)) == told


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ((b"", b"", b"", b"", b"+OK\r\n", b"", b"+PONG\r\n"), "well"),
        (
            (b"", b"", b"", b"", b"-WRONGPASS invalid\r\n"),
            "answer -WRONGPASS invalid, expected +OK",
        ),
        (
            (b"", b"", b"", b"", b"+OK\r\n", b"", b"-LOADING x\r\n"),
            "answer -LOADING x, expected +PONG",
        ),
    ],
)
async def test_redis(answers: Iterable[bytes], told: str) -> None:
    async with stream(scripted(b"", answers)) as port:
        assert await words(job(CheckProtocol.REDIS, port, secret="secret")) == told


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n 75% \n", "well"),
        (b"HTTP/1.0 200\n\n0", "well"),
        (b"HTTP/1.0 503 Busy\r\n\r\n75", "answer 503, expected 200"),
        (b"HTTP/1.0 200 OK\r\n\r\n101", "answer 101, expected a number from 0 to 100"),
        (b"HTTP/1.0 200 OK\r\n\r\n", "answer nothing, expected a number from 0 to 100"),
        (b"HTTP/1.0 200 OK\r\n\r\n-1", "answer -1, expected a number from 0 to 100"),
        (b"75", "answer 75, expected HTTP"),
    ],
)
async def test_feedback_by_http(answer: bytes, told: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with stream(serve) as port:
        assert await words(job(Kind.AGENT_HTTP, port)) == told


# -- LDAP -----------------------------------------------------------------------------------------


def ldap_done(number: int, operation: int, code: int, text: bytes = b"") -> bytes:
    result = (ber.integer(code, ber.ENUMERATED), ber.element(4), ber.element(4, text))
    return ber.element(ber.SEQUENCE, ber.integer(number), ber.element(operation, *result))


def ldap_server(*answers: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await reader.readexactly(2)
            await reader.readexactly(head[1])
            writer.write(answer)
        await reader.read()

    return serve


@pytest.mark.parametrize(
    ("answers", "base", "told"),
    [
        ((ldap_done(1, ldap.BOUND, 0),), "", "well"),
        (
            (
                ldap_done(1, ldap.BOUND, 0),
                ldap_done(2, 0x64, 0) + ldap_done(2, ldap.SEARCHED, 0),
            ),
            "dc=example",
            "well",
        ),
        (
            (ldap_done(1, ldap.BOUND, 49, b"80090308: \n"),),
            "",
            "answer invalidCredentials (80090308:), expected a login",
        ),
        (
            (ldap_done(1, ldap.BOUND, 0), ldap_done(2, ldap.SEARCHED, 32)),
            "dc=example",
            "answer noSuchObject, expected dc=example",
        ),
        ((b"SSH-2.0-x\r\n",), "", "answer SS, expected LDAP"),
        ((b"\x30\x02\x02\x09",), "", r"answer \u0002, expected LDAP"),
    ],
)
async def test_ldap(answers: tuple[bytes, ...], base: str, told: str) -> None:
    async with stream(ldap_server(*answers)) as port:
        assert await words(job(CheckProtocol.LDAP, port, database=base, **WHO)) == told


# -- PostgreSQL -----------------------------------------------------------------------------------


def test_scram_speaks_as_in_the_standards_example() -> None:
    """RFC 7677, 3."""
    nonce = "rOprNGfwEbeRWgbNEkqO"
    scram = postgresql.Scram("pencil", nonce=nonce, user="user")
    assert scram.first == f"n,,n=user,r={nonce}".encode()
    both = f"{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    final = scram.final(f"r={both},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode())
    assert final.endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert scram.knows(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert not scram.knows(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def asked_for(method: int, rest: bytes = b"") -> bytes:
    return postgresql.message(b"R", struct.pack("!I", method) + rest)


READY = asked_for(0) + postgresql.message(b"S", b"a\0b\0") + postgresql.message(b"Z", b"I")
NO_ENTRY = postgresql.message(b"E", b"SFATAL\0C28000\0Mno pg_hba.conf entry\0\0")


def a_postgresql(
    *first: bytes, good: bytes = b"", tls: bytes = b"N", password: str = WHO["secret"]
) -> Serve:
    """A server that answers the start with `first`; `good` is what the password must be."""

    async def heard(reader: asyncio.StreamReader) -> bytes:
        head = await reader.readexactly(5)
        return await reader.readexactly(int.from_bytes(head[1:], "big") - 4)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(tls)
        size = int.from_bytes(await reader.readexactly(4), "big")
        await reader.readexactly(size - 4)
        writer.write(b"".join(first))
        if good == b"scram":
            _, _, told = (await heard(reader)).partition(b"\0")
            bare = told[4:].decode().removeprefix("n,,")
            challenge = f"r={bare.partition('r=')[2]}server,s={_B64_SALT},i=4096"
            writer.write(asked_for(11, challenge.encode()))
            final = (await heard(reader)).decode()
            middle, _, proof = final.rpartition(",p=")
            told = f"{bare},{challenge},{middle}".encode()
            salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", 4096)
            key = hmac.digest(salted, b"Client Key", "sha256")
            sign = hmac.digest(hashlib.sha256(key).digest(), told, "sha256")
            wanted = bytes(one ^ two for one, two in zip(key, sign, strict=True))
            right = base64.b64decode(proof) == wanted
            server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), told, "sha256")
            end = asked_for(12, b"v=" + base64.b64encode(server)) + READY
            writer.write(end if right else postgresql.message(b"E", b"C28P01\0Mwrong\0\0"))
        elif good:
            writer.write(READY if await heard(reader) == good else NO_ENTRY)
        await reader.read()

    return serve


_B64_SALT = base64.b64encode(b"salt").decode()
_MD5 = postgresql.md5("anna", WHO["secret"], b"salt")


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (a_postgresql(READY), "well"),
        (a_postgresql(asked_for(5, b"salt"), good=_MD5), "well"),
        (a_postgresql(asked_for(10, b"SCRAM-SHA-256\0\0"), good=b"scram"), "well"),
        (
            a_postgresql(asked_for(10, b"SCRAM-SHA-256\0\0"), good=b"scram", password="other"),
            "answer 28P01 wrong, expected a login",
        ),
        (a_postgresql(NO_ENTRY), "answer 28000 no pg_hba.conf entry, expected a login"),
        (
            a_postgresql(asked_for(3)),
            "the server wants the password in plain words, without TLS",
        ),
        (
            a_postgresql(asked_for(11, b"r=x,s=AAAA,i=4096")),
            "answer r=x,s=AAAA,i=4096, expected a challenge of SCRAM",
        ),
        (a_postgresql(asked_for(12, b"v=AAAA")), "the server does not know the password itself"),
        (a_postgresql(asked_for(7)), "the server wants a login of kind 7"),
    ],
)
async def test_postgresql(server: Serve, told: str) -> None:
    async with stream(server) as port:
        assert await words(job(CheckProtocol.POSTGRESQL, port, **WHO)) == told


def test_a_server_may_not_choose_how_long_we_hash() -> None:
    scram = postgresql.Scram("pencil", nonce="n")
    with pytest.raises(Failed, match="hashed 1000000000 times"):
        scram.final(b"r=nx,s=AAAA,i=1000000000")


# -- MySQL ----------------------------------------------------------------------------------------

NONCE = b"12345678abcdefghijkl"
OK = b"\0\0\0\2\0\0\0"
DENIED = b"\xff\x15\x04#28000Access denied"


def hello(plugin: str) -> bytes:
    flags = 0x8000 | 0x80000 | 0x200
    return (
        b"\x0a8.0.36\0" + struct.pack("<I", 7) + NONCE[:8] + b"\0"
        + struct.pack("<HBHHB", flags & 0xFFFF, 33, 2, flags >> 16, 21)
        + bytes(10) + NONCE[8:] + b"\0" + plugin.encode() + b"\0"
    )  # fmt: skip


def packet(number: int, data: bytes) -> bytes:
    return len(data).to_bytes(3, "little") + bytes([number]) + data


def a_mysql(first: bytes, *answers: tuple[bytes, bytes]) -> Serve:
    """A server whose client must end each of its packets as told, to get the answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, first))
        for wanted, answer in answers:
            head = await reader.readexactly(4)
            said = await reader.readexactly(int.from_bytes(head[:3], "little"))
            good = wanted in said
            writer.write(packet(head[3] + 1, answer if good else DENIED))
            if good and answer == FAST:
                writer.write(packet(head[3] + 2, OK))
        await reader.read()

    return serve


SECRET = WHO["secret"].encode()
NATIVE = mysql.proof(mysql.NATIVE, SECRET, NONCE)
CACHING = mysql.proof(mysql.CACHING, SECRET, NONCE)
FAST = b"\1\3"
NOT_ALLOWED = b"\xff\x6a\x04Host is not allowed to connect"


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (a_mysql(hello(mysql.NATIVE), (b"\x14" + NATIVE + b"shop\0", OK)), "well"),
        (
            a_mysql(hello(mysql.CACHING), (b"\x20" + CACHING, FAST)),
            "well",
        ),
        (
            a_mysql(hello(mysql.CACHING), (CACHING, b"\1\4")),
            "the server takes this login under TLS only",
        ),
        (
            a_mysql(
                hello("auth_gssapi"),
                (b"anna\0", b"\xfe" + mysql.NATIVE.encode() + b"\0" + NONCE + b"\0"),
                (NATIVE, OK),
            ),
            "well",
        ),
        (
            a_mysql(hello("x"), (b"anna\0", b"\xfemysql_clear_password\0")),
            "the server wants a login by mysql_clear_password",
        ),
        (
            a_mysql(hello(mysql.NATIVE), (b"nobody", OK)),
            "answer 1045 Access denied, expected a login",
        ),
        (a_mysql(NOT_ALLOWED), "answer 1130 Host is not allowed to connect, expected a login"),
        (a_mysql(b"SSH-2.0-x"), "answer SSH-2.0-x, expected MySQL"),
    ],
)
async def test_mysql(server: Serve, told: str) -> None:
    async with stream(server) as port:
        assert await words(job(CheckProtocol.MYSQL, port, database="shop", **WHO)) == told


def test_native_proof_is_what_the_server_can_verify() -> None:
    """The server keeps SHA1(SHA1(password)) and gets SHA1(password) back out of the proof."""
    kept = hashlib.sha1(hashlib.sha1(SECRET).digest()).digest()
    mask = hashlib.sha1(NONCE + kept).digest()
    once = bytes(one ^ two for one, two in zip(NATIVE, mask, strict=True))
    assert hashlib.sha1(once).digest() == kept
