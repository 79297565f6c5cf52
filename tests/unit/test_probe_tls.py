# SPDX-License-Identifier: Apache-2.0
"""TLS: under it from the beginning or from the middle on, and whose certificate it is."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from services.health.targets import Kind
from services.model.checks import CheckProtocol
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
        assert await words(job(CheckProtocol.POP3S, port, **WHO)) == "well"
        told = await words(job(CheckProtocol.POP3S, port, verify_tls=True, host=NAME, **WHO))
    assert told == "TLS certificate signed by itself"


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_must_be_the_virtual_hosts(server: ssl.SSLContext) -> None:
    async with stream(POP3, tls=server) as port:
        assert (
            await words(job(CheckProtocol.POP3S, port, verify_tls=True, host=NAME, **WHO)) == "well"
        )
        for host, asked in (("other.example.com", "other.example.com"), ("", HOST)):
            for kind in (CheckProtocol.POP3S, Kind.TLS):
                told = await words(job(kind, port, verify_tls=True, host=host, **WHO))
                assert told == f"TLS name mismatch: the certificate is for {NAME}, not {asked}"


@pytest.mark.parametrize("greeting", [b"+OK\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_server_without_tls_is_told_so(greeting: bytes) -> None:
    async with stream(scripted(greeting, {})) as port:
        for kind in (CheckProtocol.POP3S, Kind.TLS):
            told = await words(job(kind, port, **WHO))
            assert told == "TLS fails: the server speaks no TLS there"


@contextmanager
def shaking_hands(server: ssl.SSLContext) -> Iterator[int]:
    """A server with plain sockets, for asyncio's hangs up without the alert that says why."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                one, _ = listening.accept()
                with one, suppress(OSError):
                    one.settimeout(5)
                    server.wrap_socket(one, server_side=True).close()

    with socket.create_server((HOST, 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _too_old(server: ssl.SSLContext) -> None:
    server.set_ciphers("ALL:@SECLEVEL=0")
    server.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    server.maximum_version = ssl.TLSVersion.TLSv1_1


def _strange_ciphers(server: ssl.SSLContext) -> None:
    server.set_ciphers("ADH-AES128-SHA256:@SECLEVEL=0")
    server.maximum_version = ssl.TLSVersion.TLSv1_2


def _unknown_name(server: ssl.SSLContext) -> None:
    server.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_too_old, "no version of TLS in common"),
        (_strange_ciphers, "no cipher in common"),
        (_unknown_name, "the server does not know the name it is asked for"),
    ],
)
async def test_a_handshake_that_fails_says_why(
    server: ssl.SSLContext, change: Callable[[ssl.SSLContext], None], told: str
) -> None:
    change(server)
    with shaking_hands(server) as port:
        assert await words(job(Kind.TLS, port, host=NAME)) == f"TLS fails: {told}"


async def test_a_server_that_hangs_up_in_the_handshake_has_failed() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.close()

    async with stream(close) as port:
        for kind in (CheckProtocol.POP3S, Kind.TLS):
            told = await words(job(kind, port, **WHO))
            assert told == "TLS fails: the server closes the connection"


async def test_a_handshake_by_itself_is_well(server: ssl.SSLContext) -> None:
    async with stream(POP3, tls=server) as port:
        assert await words(job(Kind.TLS, port)) == "well"
        assert await words(job(Kind.TLS, port, verify_tls=True, host=NAME)) == (
            "TLS certificate signed by itself"
        )


def issued(folder: Path, *, days: int, names: str = f"DNS:{NAME}") -> ssl.SSLContext:
    """A server whose certificate an authority of ours signed, in the file `authority`."""
    made = folder / f"made{days}"
    made.mkdir()
    new = ("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}")
    (made / "names").write_text(f"subjectAltName={names}")
    for argv in (
        (*new, "-x509", "-days", "2", "-keyout", "authority.key", "-out", "authority"),
        (*new, "-keyout", "key", "-out", "request"),
        (
            *("openssl", "x509", "-req", "-in", "request", "-CA", "authority"),
            *("-CAkey", "authority.key", "-CAcreateserial", "-days", str(days)),
            *("-extfile", "names", "-out", "certificate"),
        ),
    ):
        subprocess.run(argv, check=True, capture_output=True, cwd=made, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made / "certificate", made / "key")
    return context


async def test_an_expired_certificate_and_an_unknown_authority_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired = issued(tmp_path, days=-1)
    async with stream(POP3, tls=expired) as port:
        wanted = job(Kind.TLS, port, verify_tls=True, host=NAME)
        assert await words(wanted) == "TLS certificate from an unknown authority"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "made-1" / "authority"))
        conversation.tls.cache_clear()
        assert await words(wanted) == "TLS certificate expired"
    conversation.tls.cache_clear()


async def test_a_certificate_of_many_names_is_told_by_the_first_and_drawn_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ",".join(f"DNS:n{number}.example.com" for number in range(5))
    server = issued(tmp_path, days=2, names=names)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "made2" / "authority"))
    conversation.tls.cache_clear()
    async with stream(POP3, tls=server) as port:
        told = await words(job(Kind.TLS, port, verify_tls=True, host=NAME))
    conversation.tls.cache_clear()
    assert told == (
        "TLS name mismatch: the certificate is for n0.example.com, n1.example.com, "
        f"n2.example.com and 2 more, not {NAME}"
    )


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
        assert await words(job(CheckProtocol.POSTGRESQL, port, **WHO)) == "well"


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
        found = await words(job(CheckProtocol.MYSQL, listening.getsockname()[1], **WHO))
        await serving
    assert found == "well"
