# SPDX-License-Identifier: Apache-2.0
"""RADIUS (RFC 2865): one Access-Request, its password hidden as PAP has it.

The answer has to prove that it knows the shared secret, else anybody might give it. The
request carries a Message-Authenticator (RFC 3579, 3.2), which servers ask for since requests
without one can be forged.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterator

from services.health.jobs import Job
from services.probe.datagrams import answer, connected
from services.probe.found import Failed, Found, unexpected

REQUEST, ACCEPT, REJECT, CHALLENGE = 1, 2, 3, 11
NAMES = {ACCEPT: "Access-Accept", REJECT: "Access-Reject", CHALLENGE: "Access-Challenge"}
_USER, _PASSWORD, _IDENTIFIER, _AUTHENTICATOR = 1, 2, 32, 80
_HEAD = struct.Struct("!BBH16s")
_BLANK = bytes(16)


def secrets_of(text: str) -> tuple[str, str]:
    """Password and shared secret: the lines of the stored secret; of a single one the latter."""
    lines = text.splitlines() or [""]
    return (lines[0], lines[1]) if len(lines) > 1 else ("", lines[0])


def hidden(password: bytes, shared: bytes, authenticator: bytes) -> bytes:
    """A password as it travels (RFC 2865, 5.2)."""
    padded = password[:128].ljust(max(16, -(-len(password[:128]) // 16) * 16), b"\0")
    told, before = b"", authenticator
    for at in range(0, len(padded), 16):
        key = hashlib.md5(shared + before, usedforsecurity=False).digest()
        before = bytes(one ^ two for one, two in zip(padded[at : at + 16], key, strict=True))
        told += before
    return told


def request(number: int, authenticator: bytes, user: str, password: str, shared: str) -> bytes:
    """An Access-Request."""
    key = shared.encode()
    parts = b"".join(
        bytes([kind, 2 + len(value)]) + value
        for kind, value in (
            (_USER, user.encode()),
            (_PASSWORD, hidden(password.encode(), key, authenticator)),
            (_IDENTIFIER, b"ballast"),
        )
    )
    blank = bytes([_AUTHENTICATOR, 18]) + _BLANK
    whole = _HEAD.pack(REQUEST, number, 20 + len(parts) + 18, authenticator) + parts + blank
    return whole[:-16] + hmac.digest(key, whole, "md5")


def answered(data: bytes, asked: bytes, shared: str) -> int | None:
    """The code of the answer to `asked`; None: it is none, or from who lacks the secret."""
    if len(data) < _HEAD.size:
        return None
    code: int = data[0]
    _, number, length, proof = _HEAD.unpack_from(data)
    _, wanted, _, authenticator = _HEAD.unpack_from(asked)
    if number != wanted or not _HEAD.size <= length <= len(data):
        return None
    parts, key = data[_HEAD.size : length], shared.encode()
    signed = data[:4] + authenticator + parts
    own = hashlib.md5(signed + key, usedforsecurity=False).digest()
    if not hmac.compare_digest(own, proof):
        return None
    for at in _authenticators(parts):
        blank = signed[: 20 + at] + _BLANK + signed[36 + at :]
        if not hmac.compare_digest(hmac.digest(key, blank, "md5"), parts[at : at + 16]):
            return None
    return code


def _authenticators(parts: bytes) -> Iterator[int]:
    """Where the values of Message-Authenticators begin."""
    at = 0
    while at + 2 <= len(parts) and parts[at + 1] >= 2:
        if parts[at] == _AUTHENTICATOR and parts[at + 1] == 18:
            yield at + 2
        at += parts[at + 1]


async def look(job: Job) -> Found:
    """Log in; without a login of the check's own any answer that proves itself will do."""
    manner, address, port = job.target
    password, shared = secrets_of(job.secret)
    if not shared:
        raise Failed("no shared secret is stored for it")
    authenticator = secrets.token_bytes(16)
    # who has no account is refused, and a refusal says that the server is alive
    user = manner.login or "ballast"
    asked = request(secrets.randbits(8), authenticator, user, password, shared)
    with connected(address, port) as server:
        code = await answer(server, asked, lambda data: answered(data, asked, shared))
    if manner.login and code != ACCEPT:
        raise unexpected(NAMES.get(code, f"code {code}"), NAMES[ACCEPT])
    return Found()
