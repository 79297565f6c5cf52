# SPDX-License-Identifier: Apache-2.0
"""Who is asking: the kernel's word on the other end of the socket, and what they may do.

There is no password and no token on the socket: the kernel names the account
(SO_PEERCRED, unix(7)), and UNIX groups say what it may do. uvicorn hands an application
neither, so a small subclass of its protocol puts the credentials into the request's scope.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

import h11
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.api import AccessRole, ErrorView
from services.errors import Forbidden

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

GROUPS = {
    "ballast-admin": AccessRole.ADMIN,
    "ballast-operator": AccessRole.OPERATOR,
    "ballast-viewer": AccessRole.VIEWER,
    "ballast-setup": AccessRole.SETUP,
}
"""Mightiest first: an account in two groups has the mightier role."""

SCOPE_KEY = "ballast.peer"

MOST_CONNECTIONS = 200
"""Open connections of one account; every console has one. As many again are told so."""

HEAD_S = 10
"""Seconds in which a request's head has to arrive; it comes from the same machine."""

_BUSY = ErrorView(
    kind="Unable",
    what=f"This account has {MOST_CONNECTIONS} connections to the agent open.",
    do="End some of its programs and try again.",
)
_TOO_MANY = Response(_BUSY.model_dump_json(), status_code=503, headers={"Connection": "close"})
_UCRED = struct.Struct("iII")


@dataclass(frozen=True)
class Peer:
    """An account on the other end of the socket."""

    user: str
    role: AccessRole | None
    """None: an account of no Ballast group may do nothing."""

    def require(self, *roles: AccessRole) -> None:
        """Raise `Forbidden` unless the account has one of `roles`; an admin may do all."""
        if self.role is not AccessRole.ADMIN and self.role not in roles:
            have = f"has the role {self.role.value}" if self.role else "is in no Ballast group"
            names = ", ".join(role.value for role in (AccessRole.ADMIN, *roles))
            raise Forbidden(
                f"The account {self.user} {have} and may not do that.",
                do=f"Ask somebody with one of these roles: {names}.",
            )


def peer_of(uid: int, gid: int) -> Peer:
    """The account with this id; groups are looked up anew, since SO_PEERCRED knows only the
    primary one and a person's groups may change while they are logged in.
    """
    try:
        entry = pwd.getpwuid(uid)
        user, groups = entry.pw_name, os.getgrouplist(entry.pw_name, gid)
    except KeyError:
        user, groups = f"uid{uid}", [gid]
    # whoever may stop the agent owns the appliance anyway
    if uid in {0, os.geteuid()}:
        return Peer(user, AccessRole.ADMIN)
    names = set()
    for number in groups:
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return Peer(user, next((role for group, role in GROUPS.items() if group in names), None))


class PeerProtocol(H11Protocol):
    """uvicorn's HTTP protocol which also notes the account behind the connection.

    And sees to it that no account can hold the door against the others: connections that say
    nothing would take the agent's open files until it could not even reach HAProxy.
    """

    open_by: ClassVar[Counter[int]] = Counter()
    """Open connections by user id."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask the kernel once per connection: a UNIX socket never changes hands."""
        super().connection_made(transport)
        sock: socket.socket = transport.get_extra_info("socket")
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        _, self._uid, gid = _UCRED.unpack(raw)
        self._hurry: asyncio.TimerHandle | None = None
        self.open_by[self._uid] += 1
        if self.open_by[self._uid] > 2 * MOST_CONNECTIONS:
            transport.abort()
            return
        self._expect_request()
        busy = self.open_by[self._uid] > MOST_CONNECTIONS
        peer = peer_of(self._uid, gid)
        inner = cast("ASGI3Application", _TOO_MANY) if busy else self.app

        async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            cast("dict[str, object]", scope)[SCOPE_KEY] = peer
            await inner(scope, receive, send)

        self.app = app

    def data_received(self, data: bytes) -> None:
        """Stop the clock once a request's head is complete."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect_request()
        else:
            self._calm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place free."""
        self._calm()
        self.open_by[self._uid] -= 1
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        if self._hurry is None:
            self._hurry = self.loop.call_later(HEAD_S, self.transport.abort)

    def _calm(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None
