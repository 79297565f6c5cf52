# SPDX-License-Identifier: Apache-2.0
"""SIP over UDP (RFC 3261): an OPTIONS request, with digest authentication if it is asked for.

Without a login any final answer will do in which the server does not call itself broken; with
one it has to be 200.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from services.health.jobs import Job
from services.probe.datagrams import answer, connected
from services.probe.found import Found, quoted, unexpected

OK, NOT_IMPLEMENTED, BROKEN = 200, 501, 500
_CHALLENGES = {401: ("www-authenticate", "Authorization")} | {
    407: ("proxy-authenticate", "Proxy-Authorization")
}
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"\\]*)"|([\w.-]+))', re.ASCII)


@dataclass(frozen=True)
class Reply:
    """A final answer."""

    code: int
    reason: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Asking:
    """What stays the same over both rounds of a question."""

    uri: str
    via: str
    """Our own address and port."""
    call: str

    def request(self, count: int, credentials: str = "") -> bytes:
        """The request; `count` tells one round from the next."""
        lines = [
            f"OPTIONS {self.uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.via};branch=z9hG4bK{self.call}{count};rport",
            "Max-Forwards: 70",
            f"From: <sip:ballast@{self.via}>;tag={self.call[:8]}",
            f"To: <{self.uri}>",
            f"Call-ID: {self.call}",
            f"CSeq: {count} OPTIONS",
            f"Contact: <sip:ballast@{self.via}>",
            "Accept: application/sdp",
            "User-Agent: Ballast",
            *([credentials] if credentials else []),
            "Content-Length: 0",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def reply(self, data: bytes, count: int) -> Reply | None:
        """The final answer to that round; None: this is none."""
        head = data.decode(errors="replace").replace("\r\n", "\n").partition("\n\n")[0]
        first, *rest = head.split("\n")
        found = re.fullmatch(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", first, re.ASCII)
        pairs = (line.partition(":") for line in rest)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if not found or headers.get("call-id", headers.get("i")) != self.call:
            return None
        if not headers.get("cseq", "").startswith(f"{count} ") or int(found[1]) < OK:
            return None
        return Reply(int(found[1]), found[2] or "", headers)


def credentials(reply: Reply, login: str, password: str, uri: str) -> str:
    """The header that a challenge asks for (RFC 2617 with MD5); empty: it cannot be met."""
    asks, answers = _CHALLENGES[reply.code]
    challenge = reply.headers.get(asks, "")
    told = {name.lower(): text or bare for name, text, bare in _PARAMETER.findall(challenge)}
    if not challenge.lower().startswith("digest") or not told.get("nonce"):
        return ""
    if told.get("algorithm", "MD5").upper() != "MD5":
        return ""
    realm, nonce = told.get("realm", ""), told["nonce"]
    who, what = _md5(f"{login}:{realm}:{password}"), _md5(f"OPTIONS:{uri}")
    fields = {"username": login, "realm": realm, "nonce": nonce, "uri": uri}
    if "auth" in told.get("qop", "").replace(",", " ").split():
        own = secrets.token_hex(8)
        fields["response"] = _md5(f"{who}:{nonce}:00000001:{own}:auth:{what}")
        more = f', qop=auth, nc=00000001, cnonce="{own}"'
    else:
        fields["response"] = _md5(f"{who}:{nonce}:{what}")
        more = ""
    if "opaque" in told:
        fields["opaque"] = told["opaque"]
    listed = ", ".join(f'{name}="{value}"' for name, value in fields.items())
    return f"{answers}: Digest {listed}, algorithm=MD5{more}"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


async def look(job: Job) -> Found:
    """Ask for its options, a second time with the password if it wants one."""
    manner, address, port = job.target
    host = manner.host or _bracketed(address)
    uri = f"sip:{manner.login}@{host}" if manner.login else f"sip:{host}"
    with connected(address, port) as server:
        own, number = server.getsockname()[:2]
        asking = Asking(uri, f"{_bracketed(own)}:{number}", secrets.token_hex(16))
        reply = await answer(server, asking.request(1), lambda data: asking.reply(data, 1))
        if reply.code in _CHALLENGES and manner.login and job.secret:
            password = job.secret.splitlines()[0]
            if proof := credentials(reply, manner.login, password, uri):
                again = asking.request(2, proof)
                reply = await answer(server, again, lambda data: asking.reply(data, 2))
    broken = reply.code >= BROKEN and reply.code != NOT_IMPLEMENTED
    if (manner.login and reply.code != OK) or broken:
        raise unexpected(quoted(f"{reply.code} {reply.reason}"), str(OK))
    return Found()
