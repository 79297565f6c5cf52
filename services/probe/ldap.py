# SPDX-License-Identifier: Apache-2.0
"""LDAP with a login (RFC 4511): a simple bind and, if one is named, a look at the search base."""

from __future__ import annotations

from services.health.jobs import Job
from services.probe import ber
from services.probe.conversation import Conversation, connected
from services.probe.found import Failed, Found, quoted, unexpected

BIND, BOUND, UNBIND, SEARCH, SEARCHED = 0x60, 0x61, 0x42, 0x63, 0x65
_PASSWORD, _PRESENT, _YES = 0x80, 0x87, b"\xff"

CODES = {
    8: "strongerAuthRequired",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
}
"""RFC 4511, A.1: those a check may meet."""


def bind(number: int, login: str, password: str) -> bytes:
    """The message that logs in."""
    name = ber.element(ber.TEXT, login.encode())
    secret = ber.element(_PASSWORD, password.encode())
    return _message(number, ber.element(BIND, ber.integer(3), name, secret))


def search(number: int, base: str) -> bytes:
    """The message that asks for one object and none of its attributes."""
    return _message(
        number,
        ber.element(
            SEARCH,
            ber.element(ber.TEXT, base.encode()),
            ber.integer(0, ber.ENUMERATED),  # only itself
            ber.integer(0, ber.ENUMERATED),  # aliases stay aliases
            ber.integer(1),
            ber.integer(0),
            ber.element(0x01, _YES),  # names, no values
            ber.element(_PRESENT, b"objectClass"),
            ber.element(ber.SEQUENCE, ber.element(ber.TEXT, b"1.1")),
        ),
    )


def _message(number: int, operation: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.integer(number), operation)


def operation_of(message: bytes) -> tuple[int, bytes]:
    """What a message does, and its content; raises `ValueError`."""
    _, _, rest = ber.taken(message)
    tag, content, _ = ber.taken(rest)
    return tag, content


async def look(job: Job) -> Found:
    """Log in, look at the search base, leave."""
    manner = job.target.manner
    password = (job.secret.splitlines() or [""])[0]
    async with connected(job) as server:
        await server.say(bind(1, manner.login, password))
        await _succeeds(server, BOUND, "a login")
        if manner.database:
            await server.say(search(2, manner.database))
            await _succeeds(server, SEARCHED, manner.database)
        await server.say(_message(3, ber.element(UNBIND)))
    return Found()


async def _succeeds(server: Conversation, wanted: int, expected: str) -> None:
    """Wait for the operation's end, whatever comes before it."""
    while True:
        message = await _heard(server)
        try:
            tag, content = operation_of(message)
            if tag != wanted:
                continue
            _, code, rest = ber.taken(content)
            _, _, rest = ber.taken(rest)
            _, words, _ = ber.taken(rest)
        except ValueError as error:
            raise unexpected(message, "LDAP") from error
        number = int.from_bytes(code, "big")
        if number:
            told = CODES.get(number, f"code {number}")
            more = f" ({quoted(words)})" if words else ""
            raise Failed(f"answer {told}{more}, expected {expected}")
        return


async def _heard(server: Conversation) -> bytes:
    """The next message's content."""
    head = await server.exactly(2)
    if head[0] != ber.SEQUENCE:
        raise unexpected(head, "LDAP")
    size = head[1]
    if size & 0x80:
        if size & 0x7F > 4:
            raise unexpected(head, "LDAP")
        size = int.from_bytes(await server.exactly(size & 0x7F), "big")
    return await server.exactly(size)
