# SPDX-License-Identifier: Apache-2.0
"""Numbers and states as people read them, in as few cells as they need."""

from __future__ import annotations

import time

from services.api_status import Health, InterfaceStatus, ServerStatus, ServiceStatus, Status

NOTICE_S = 12.0
"""A sentence stays until the next one, and at least long enough to be read."""


def short(number: float) -> str:
    """At most five cells: `0`, `402`, `310k`, `2.1M`, `1292`."""
    if number < 10_000:
        return str(round(number))
    for unit in ("k", "M", "G", "T", "P"):
        number /= 1000
        if number < 10:
            return f"{number:.1f}{unit}"
        if number < 1000:
            return f"{number:.0f}{unit}"
    return "lots"


def rate(per_s: float) -> str:
    """Bytes a second, at most five cells: `0`, `7.0k`, `310k`, `2.1M`."""
    if per_s < 1000:
        return str(round(per_s))
    return short(per_s) if per_s >= 10_000 else f"{per_s / 1000:.1f}k"


def duration(seconds: float) -> str:
    """The largest unit only: `12d`, `7h`, `3m`, `45s`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def clock(at: float) -> str:
    """Time of day where the appliance stands, e.g. `12:31:05`."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def moment(at: float) -> str:
    """Date and time, e.g. `2026-03-01 12:31:05`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def count(number: int, noun: str, many: str = "s") -> str:
    """`1 server`, `2 servers`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{many}"


_HEALTH = {
    Health.UP: "healthy",
    Health.WARN: "some real servers fail",
    Health.DOWN: "does not answer",
    Health.HALT: "halted on purpose",
    Health.DRAIN: "finishes its connections",
    Health.OFF: "taken offline on purpose",
}


def health_words(found: ServiceStatus | ServerStatus) -> str:
    """A state in words, and since when."""
    since = f" for {duration(found.since_s)}" if isinstance(found, ServerStatus) else ""
    return f"{_HEALTH[found.health]}{since}"


def link(card: InterfaceStatus) -> str:
    """A card's link, with its speed in Mbit/s where it tells one: `link up 1000`, `no link`."""
    if not card.carrier:
        return "no link"
    return f"link up {card.speed_mbit}" if card.speed_mbit else "link up"


def place(address: str, ports: str | int) -> str:
    """Address and ports as one types them; without any, or 0, the address alone."""
    if not ports:
        return address
    return f"[{address}]:{ports}" if ":" in address else f"{address}:{ports}"


def totals(status: Status) -> str:
    """How many services are in which state, e.g. `4 VIPs: 1 up 1 warn 1 down 1 off | 8 RIPs`."""
    tally: dict[str, int] = {}
    for service in status.services:
        word = service.health.value.lower()
        tally[word] = tally.get(word, 0) + 1
    words = " ".join(
        f"{tally[word]} {word}" for word in ("up", "warn", "down", "off") if word in tally
    )
    servers = sum(len(service.servers) for service in status.services)
    return (
        f"{count(len(status.services), 'VIP')}{': ' + words if words else ''}"
        f" | {count(servers, 'RIP')}"
    )
