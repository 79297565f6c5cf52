# SPDX-License-Identifier: Apache-2.0
"""MySQL and MariaDB with a login (client/server protocol, 4.1 and later).

Under TLS where the server has it: `caching_sha2_password` wants the password itself when the
server has not seen the account lately, and gets it under TLS only.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from services.health.jobs import Job
from services.probe.conversation import Conversation, connected
from services.probe.found import Failed, Found, quoted, unexpected

NATIVE, CACHING = "mysql_native_password", "caching_sha2_password"

_LONG_PASSWORD, _WITH_DATABASE, _PROTOCOL_41, _TLS = 0x1, 0x8, 0x200, 0x800
_SECURE, _PLUGIN = 0x8000, 0x80000
_LARGEST_PACKET, _UTF8 = 1 << 16, 33
_ERROR = 0xFF
_FAST, _WHOLE = b"\x03", b"\x04"
_GOODBYE = b"\x01"
_MOST_ROUNDS = 8
_FIXED = struct.Struct("<8sxHBHHB10x")
"""Of the greeting: nonce, capabilities, character set, status, capabilities, nonce's length."""


@dataclass(frozen=True)
class Greeting:
    """What a server begins with."""

    capabilities: int
    nonce: bytes
    plugin: str


def greeting(data: bytes) -> Greeting:
    """Read the server's first packet; raises `Failed`."""
    if data[:1] == bytes([_ERROR]):
        raise _refused(data)
    try:
        at = data.index(b"\0") + 5
        first, low, _, _, high, size = _FIXED.unpack_from(data, at)
        if data[0] != 10:
            raise ValueError
    except (struct.error, ValueError, IndexError) as error:
        raise unexpected(data, "MySQL") from error
    at += _FIXED.size
    second = data[at : at + max(13, size - 8)]
    plugin = data[at + len(second) :].partition(b"\0")[0].decode(errors="replace")
    return Greeting(low | high << 16, first + second[:12], plugin or NATIVE)


def proof(plugin: str, password: bytes, nonce: bytes) -> bytes:
    """That we know the password, as the plugin wants it; raises `Failed`."""
    if plugin not in {NATIVE, CACHING}:
        raise Failed(f"the server wants a login by {quoted(plugin)}")
    if not password:
        return b""
    if plugin == NATIVE:
        once = _sha1(password)
        key = _sha1(nonce + _sha1(once))
    else:
        once = hashlib.sha256(password).digest()
        twice = hashlib.sha256(once).digest()
        key = hashlib.sha256(twice + nonce).digest()
    return bytes(one ^ two for one, two in zip(once, key, strict=True))


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def login(flags: int, user: str, answer: bytes, database: str, plugin: str) -> bytes:
    """The packet that logs in."""
    named = f"{database}\0".encode() if database else b""
    told = f"{user}\0".encode() + bytes([len(answer)]) + answer + named + f"{plugin}\0".encode()
    return upgrade(flags) + told


def upgrade(flags: int) -> bytes:
    """What a login begins with; alone it asks for TLS."""
    return struct.pack("<IIB23x", flags, _LARGEST_PACKET, _UTF8)


def _refused(data: bytes) -> Failed:
    code = int.from_bytes(data[1:3], "little")
    words = data[3:].removeprefix(b"#")
    # a state of five signs stands before the words once the version is agreed on
    words = words[5:] if data[3:4] == b"#" else words
    return Failed(f"answer {code} {quoted(words)}, expected a login")


class _Packets:
    """Numbered packets over one conversation."""

    def __init__(self, server: Conversation) -> None:
        self._server = server
        self._number = 0

    async def heard(self) -> bytes:
        head = await self._server.exactly(4)
        self._number = head[3] + 1
        return await self._server.exactly(int.from_bytes(head[:3], "little"))

    async def say(self, data: bytes, *, anew: bool = False) -> None:
        number = 0 if anew else self._number
        self._number = number + 1
        await self._server.say(len(data).to_bytes(3, "little") + bytes([number & 0xFF]) + data)


async def look(job: Job) -> Found:
    """Log in, open the database if one is named, leave."""
    manner = job.target.manner
    password = (job.secret.splitlines() or [""])[0].encode()
    async with connected(job) as server:
        packets = _Packets(server)
        hello = greeting(await packets.heard())
        flags = _LONG_PASSWORD | _PROTOCOL_41 | _SECURE | _PLUGIN
        flags |= _WITH_DATABASE if manner.database else 0
        if secured := bool(hello.capabilities & _TLS):
            flags |= _TLS
            await packets.say(upgrade(flags))
            await server.secure()
        # another plugin than these two is the server's default only: it may switch to ours
        plugin = hello.plugin if hello.plugin in {NATIVE, CACHING} else NATIVE
        answer = proof(plugin, password, hello.nonce)
        await packets.say(login(flags, manner.login, answer, manner.database, plugin))
        await _accepted(packets, password, secured=secured)
        await packets.say(_GOODBYE, anew=True)
    return Found()


async def _accepted(packets: _Packets, password: bytes, *, secured: bool) -> None:
    for _ in range(_MOST_ROUNDS):
        data = await packets.heard()
        match data[0] if data else None:
            case 0x00:
                return
            case 0xFF:
                raise _refused(data)
            case 0xFE:
                plugin, _, nonce = data[1:].partition(b"\0")
                asked = plugin.decode(errors="replace")
                await packets.say(proof(asked, password, nonce.removesuffix(b"\0")))
            case 0x01 if data[1:2] == _FAST:
                continue
            case 0x01 if data[1:2] == _WHOLE and secured:
                await packets.say(password + b"\0")
            case 0x01 if data[1:2] == _WHOLE:
                raise Failed("the server takes this login under TLS only")
            case _:
                raise unexpected(data, "a login")
    raise Failed("the login has no end")
