# SPDX-License-Identifier: Apache-2.0
"""DNS over UDP (RFC 1035): one question, and of the answer what a check has a use for."""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from ipaddress import ip_address

from services.health.jobs import Job
from services.probe.datagrams import answer, connected
from services.probe.found import Failed, Found, unexpected

A, NS, AAAA = 1, 2, 28
_INTERNET = 1
_RECURSIVE, _RESPONSE, _CUT = 0x0100, 0x8000, 0x0200
_HEAD = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_LENGTHS = {A: 4, AAAA: 16}

RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")


@dataclass(frozen=True)
class Answer:
    """What a server has answered."""

    rcode: str
    addresses: frozenset[str] = frozenset()
    cut: bool = False
    """More would have come over TCP."""


def question(number: int, name: str, kind: int) -> bytes:
    """The question for records of a kind; raises `Failed` for what is no name."""
    head = _HEAD.pack(number, _RECURSIVE, 1, 0, 0, 0)
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    if any(len(label) > 63 for label in labels) or sum(map(len, labels)) > 200:
        raise Failed(f"{name} is no name that DNS can be asked for")
    told = b"".join(bytes([len(label)]) + label for label in labels)
    return head + told + b"\0" + struct.pack("!HH", kind, _INTERNET)


def answered(data: bytes, asked: bytes) -> Answer | None:
    """The answer to `asked`; None: this is none."""
    try:
        number, flags, questions, answers, _, _ = _HEAD.unpack_from(data)
    except struct.error:
        return None
    if number != _HEAD.unpack_from(asked)[0] or not flags & _RESPONSE:
        return None
    code = flags & 0xF
    rcode = RCODES[code] if code < len(RCODES) else f"RCODE {code}"
    # some servers refuse without repeating what they were asked
    repeated = data[_HEAD.size : len(asked)].lower() == asked[_HEAD.size :].lower()
    if questions and not repeated:
        return None
    at = len(asked) if questions else _HEAD.size
    return Answer(rcode, _addresses(data, at, answers), bool(flags & _CUT))


def _addresses(data: bytes, at: int, records: int) -> frozenset[str]:
    found = set()
    try:
        for _ in range(records):
            at = _after_name(data, at)
            kind, _, _, length = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            value = data[at : at + length]
            if len(value) == _LENGTHS.get(kind):
                found.add(str(ip_address(value)))
            at += length
    except (struct.error, IndexError):
        pass  # cut short: what was read up to here stands
    return frozenset(found)


def _after_name(data: bytes, at: int) -> int:
    """The place after a name; a pointer ends it (4.1.4), so nothing is ever followed."""
    while length := data[at]:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1


async def look(job: Job) -> Found:
    """Ask for the name, or for the root; an address that is expected must be in the answer."""
    manner, address, port = job.target
    kind, wanted = NS, ""
    if manner.request or manner.expect:
        kind = A
    if manner.expect:
        try:
            told = ip_address(manner.expect)
        except ValueError as error:
            raise Failed(f"{manner.expect} is no address that could be in an answer") from error
        kind, wanted = (AAAA if told.version == 6 else A), str(told)
    asked = question(secrets.randbits(16), manner.request, kind)
    with connected(address, port) as server:
        found = await answer(server, asked, lambda data: answered(data, asked))
    if not manner.request and not wanted:
        return Found()
    if found.rcode != "NOERROR":
        raise unexpected(found.rcode, wanted or "an answer")
    if wanted and wanted not in found.addresses:
        had = ", ".join(sorted(found.addresses)) or ("cut short" if found.cut else "empty")
        raise unexpected(had, wanted)
    return Found()
