# SPDX-License-Identifier: Apache-2.0
"""TLS: under it from the beginning or from the middle on, and whose certificate it is."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.health.targets import Kind
from services.probe import conversation
from tests.unit.probing import HOST, job, scripted, stream, words
from tests.unit.test_probe_logins import OK, READY, WHO, asked_for, hello, packet

pytestmark = [pytest.mark.needs("openssl")]

NAME = "mail.example.com"
POP3 = scripted(b"+OK\r\n", {b"USER anna": b"+OK\r\n", b'PASS se"cret': b"+OK\r\n"})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"),
            *("-keyout", str(folder / "key"), "-out", str(folder / "certificate")),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def server(files: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "certificate", files / "key")
    return context


@pytest.fixture
def trusted(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The server's certificate is an authority of this machine."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files / "certificate"))
    conversation.tls.cache_clear()
    yield
    conversation.tls.cache_clear()


async def test_any_certificate_will_do_unless_it_is_to_be_checked(server: ssl.SSLContext) -> None:
    async with stream(POP3, tls=server) as port:
        assert await words(job(Kind.POP3S, port, **WHO)) == "well"
        told = await words(job(Kind.POP3S, port, verify_tls=True, host=NAME, **WHO))
    assert told == "TLS certificate signed by itself"


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_must_be_the_virtual_hosts(server: ssl.SSLContext) -> None:
    async with stream(POP3, tls=server) as port:
        assert await words(job(Kind.POP3S, port, verify_tls=True, host=NAME, **WHO)) == "well"
        for host in ("other.example.com", ""):
            told = await words(job(Kind.POP3S, port, verify_tls=True, host=host, **WHO))
            assert told == "TLS name mismatch"


async def test_a_server_without_tls_is_told_so() -> None:
    async with stream(POP3) as port:
        told = await words(job(Kind.POP3S, port, **WHO))
    assert told.startswith("TLS fails: ")


async def test_postgresql_gets_a_plain_password_under_tls(server: ssl.SSLContext) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        await writer.start_tls(server)
        size = int.from_bytes(await reader.readexactly(4), "big")
        await reader.readexactly(size - 4)
        writer.write(asked_for(3))
        head = await reader.readexactly(5)
        password = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
        writer.write(READY if password == WHO["secret"].encode() + b"\0" else asked_for(7))
        await reader.read()

    async with stream(serve) as port:
        assert await words(job(Kind.POSTGRESQL, port, **WHO)) == "well"


def _mysql(listening: socket.socket, server: ssl.SSLContext) -> None:
    """One login; with plain sockets, for what comes right behind the question for TLS is TLS."""
    first = bytearray(hello("caching_sha2_password"))
    first[first.index(b"\0") + 15] |= 0x08  # the flag for TLS

    def heard(sock: socket.socket) -> tuple[int, bytes]:
        head = sock.recv(4, socket.MSG_WAITALL) if sock is bare else sock.recv(4)
        size = int.from_bytes(head[:3], "little")
        return head[3], sock.recv(size, socket.MSG_WAITALL) if sock is bare else sock.recv(size)

    bare, _ = listening.accept()
    bare.settimeout(5)
    bare.sendall(packet(0, bytes(first)))
    heard(bare)
    with server.wrap_socket(bare, server_side=True, suppress_ragged_eofs=True) as secured:
        number, _ = heard(secured)
        secured.sendall(packet(number + 1, b"\1\4"))
        number, password = heard(secured)
        good = password == WHO["secret"].encode() + b"\0"
        secured.sendall(packet(number + 1, OK if good else b"\xff\1\0#28000no"))
        with suppress(OSError):
            secured.recv(100)


async def test_mysql_gets_the_password_itself_under_tls(server: ssl.SSLContext) -> None:
    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(5)
        serving = asyncio.create_task(asyncio.to_thread(_mysql, listening, server))
        found = await words(job(Kind.MYSQL, listening.getsockname()[1], **WHO))
        await serving
    assert found == "well"
