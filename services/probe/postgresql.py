# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL with a login (frontend/backend protocol 3.0), under TLS where the server has it.

Passwords travel as the server asks: in plain words only under TLS.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import struct

from services.health.jobs import Job
from services.probe.conversation import Conversation, connected
from services.probe.found import Failed, Found, quoted, unexpected

_TLS = struct.pack("!II", 8, 80877103)
_VERSION = 196608
_GOODBYE = b"X\0\0\0\4"
SCRAM = "SCRAM-SHA-256"

MOST_ROUNDS = 100_000
"""Of hashing that a server may ask for, 25 times what PostgreSQL does: it is our time."""


def startup(user: str, database: str) -> bytes:
    """The first message."""
    fields = {"user": user, "database": database or user, "application_name": "ballast"}
    told = b"".join(f"{name}\0{value}\0".encode() for name, value in fields.items()) + b"\0"
    return struct.pack("!II", 8 + len(told), _VERSION) + told


def message(kind: bytes, content: bytes) -> bytes:
    """A later message."""
    return kind + struct.pack("!I", 4 + len(content)) + content


def md5(user: str, password: str, salt: bytes) -> bytes:
    """A password as the older servers want it."""
    inner = hashlib.md5(f"{password}{user}".encode(), usedforsecurity=False).hexdigest()
    outer = hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()
    return f"md5{outer}\0".encode()


def error_words(content: bytes) -> str:
    """Code and sentence of an error."""
    parts = (part.decode(errors="replace") for part in content.split(b"\0") if part)
    fields = {part[0]: part[1:] for part in parts}
    return f"{fields.get('C', '')} {fields.get('M', '')}".strip()


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding."""

    def __init__(self, password: str, *, nonce: str = "", user: str = "") -> None:
        self._password = password.encode()
        self._nonce = nonce or base64.b64encode(secrets.token_bytes(18)).decode()
        # PostgreSQL takes the name from the startup message, and wants none here
        self._first = f"n={user},r={self._nonce}"
        self._proof = b""

    @property
    def first(self) -> bytes:
        """What begins it."""
        return f"n,,{self._first}".encode()

    def final(self, challenge: bytes) -> bytes:
        """The answer to the server's challenge; raises `Failed`. Takes milliseconds."""
        try:
            fields = _fields(challenge)
            nonce, salt, rounds = fields["r"], base64.b64decode(fields["s"]), int(fields["i"])
        except (KeyError, ValueError) as error:
            raise unexpected(challenge, "a challenge of SCRAM") from error
        if not nonce.startswith(self._nonce):
            raise unexpected(challenge, "a challenge of SCRAM")
        if not 1 <= rounds <= MOST_ROUNDS:
            raise Failed(f"the server wants a password hashed {rounds} times")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        bare = f"c=biws,r={nonce}"
        told = f"{self._first},{challenge.decode()},{bare}".encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), told, "sha256")
        proof = bytes(one ^ two for one, two in zip(key, signature, strict=True))
        server = hmac.digest(salted, b"Server Key", "sha256")
        self._proof = base64.b64encode(hmac.digest(server, told, "sha256"))
        return f"{bare},p={base64.b64encode(proof).decode()}".encode()

    def knows(self, final: bytes) -> bool:
        """Whether the server has proven that it knows the password, too."""
        return bool(self._proof) and hmac.compare_digest(final, b"v=" + self._proof)


def _fields(challenge: bytes) -> dict[str, str]:
    return dict(part.split("=", 1) for part in challenge.decode().split(",") if "=" in part)


async def look(job: Job) -> Found:
    """Log in, wait until the server is ready, leave."""
    manner = job.target.manner
    password = (job.secret.splitlines() or [""])[0]
    async with connected(job) as server:
        await server.say(_TLS)
        secured = (await server.exactly(1)) == b"S"
        if secured:
            await server.secure()
        await server.say(startup(manner.login, manner.database))
        await _logs_in(server, manner.login, password, secured=secured)
        while (await _heard(server))[0] != b"Z":
            continue
        await server.say(_GOODBYE)
    return Found()


async def _logs_in(server: Conversation, user: str, password: str, *, secured: bool) -> None:
    scram = Scram(password)
    while True:
        kind, content = await _heard(server)
        if kind != b"R" or len(content) < 4:
            raise unexpected(kind + content, "PostgreSQL")
        method, rest = int.from_bytes(content[:4], "big"), content[4:]
        match method:
            case 0:
                return
            case 3 if secured:
                await server.say(message(b"p", password.encode() + b"\0"))
            case 3:
                raise Failed("the server wants the password in plain words, without TLS")
            case 5:
                await server.say(message(b"p", md5(user, password, rest[:4])))
            case 10 if SCRAM.encode() in rest.split(b"\0"):
                size = struct.pack("!I", len(scram.first))
                await server.say(message(b"p", SCRAM.encode() + b"\0" + size + scram.first))
            case 11:
                final = await asyncio.to_thread(scram.final, rest)
                await server.say(message(b"p", final))
            case 12 if not scram.knows(rest):
                raise Failed("the server does not know the password itself")
            case 12:
                continue
            case _:
                raise Failed(f"the server wants a login of kind {method}")


async def _heard(server: Conversation) -> tuple[bytes, bytes]:
    """The next message; raises `Failed` with the server's words if it is an error."""
    head = await server.exactly(5)
    size = int.from_bytes(head[1:], "big")
    if size < 4:
        raise unexpected(head, "PostgreSQL")
    content = await server.exactly(size - 4)
    if head[:1] == b"E":
        raise Failed(f"answer {quoted(error_words(content))}, expected a login")
    return head[:1], content
