# SPDX-License-Identifier: Apache-2.0
"""The people behind the lab's browsers: a steady trickle of requests through every service.

Where to ask comes from a file of addresses and from the agent's own document, both read
again while it runs, so a service that somebody adds in the console has clients a second
later. It never builds up: a request that is not sent in time is not sent at all, answers
are waited for 5 s, and at most 64 requests are under way.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.errors import Unable
from tests.lab.agentsocket import ask
from tests.lab.layout import CLIENT_IPV4, CLIENT_IPV6

TIMEOUT_S = 5.0
LIMIT = 64
KEPT_EVERY = 4
"""Every fourth request goes over a connection that is kept; the others open their own."""
PORTS_PER_SERVICE = 4
BAD_ANSWER = (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError)
NOBODY = "nobody named"
"""Who answered, when the answer does not say: HAProxy's own pages do not."""


@dataclass(frozen=True)
class Target:
    """One address and port of a service."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass
class Counts:
    """What became of the requests so far; this is what the file of figures holds."""

    requests: int = 0
    failed: int = 0
    """No answer, or one with a status of 400 and more."""
    answered: Counter[str] = field(default_factory=Counter)
    """Good answers by the name of the real server."""
    by_target: dict[str, Counter[str]] = field(default_factory=dict)
    """The same for each address and port, failures under `failed`."""
    last_server: dict[str, dict[str, str]] = field(default_factory=dict)
    """Who answered each client address last, by address and port: persistence is seen here."""
    last_error: str = ""
    skipped: int = 0
    """Not sent, because too many were under way."""
    rate_per_s: float = 0
    at: float = 0
    """Seconds since 1970."""


def targets_in(text: str) -> tuple[Target, ...]:
    """The addresses in a file: one `host:port` or `[host]:port` a line."""
    split = (line.strip().rpartition(":") for line in text.splitlines() if line.strip())
    return tuple(Target(host.strip("[]"), int(port)) for host, _, port in split)


def targets_of(document: dict[str, Any]) -> tuple[Target, ...]:
    """Every address of every TCP service with its first few ports."""
    cluster = document.get("cluster", {})
    direct = (one for one in cluster.get("layer4", ()) if one["protocol"] in {"tcp", "tcp_udp"})
    return tuple(
        Target(address, port)
        for service in (*cluster.get("layer7", ()), *direct)
        for address in service["addresses"]
        for port in itertools.islice(ports_of(service["ports"]), PORTS_PER_SERVICE)
    )


def ports_of(ports: str) -> Iterable[int]:
    """`80,1000-1002` → 80, 1000, 1001, 1002."""
    for piece in ports.split(","):
        first, _, last = piece.partition("-")
        yield from range(int(first), int(last or first) + 1)


class Connection:
    """One connection to a service, from one of the client's addresses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.heard = False
        """Whether the other side has said anything to the latest request."""
        self.reusable = False

    @classmethod
    async def to(cls, target: Target, source: str) -> Connection:
        """Connect; raises `OSError`."""
        return cls(*await asyncio.open_connection(target.host, target.port, local_addr=(source, 0)))

    async def get(self, target: Target, *, keep: bool) -> tuple[int, str]:
        """Ask for `/`: status, and the name of who answered. Raises `OSError`, `EOFError`."""
        wish = "keep-alive" if keep else "close"
        self.heard = self.reusable = False
        self._writer.write(
            f"GET / HTTP/1.1\r\nHost: {target}\r\nConnection: {wish}\r\n\r\n".encode()
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heard = True
        first, *lines = head.rstrip("\r\n").split("\r\n")
        status = int(first.split(" ", 2)[1])
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if (length := headers.get("content-length")) is not None:
            await self._reader.readexactly(int(length))
            self.reusable = keep and headers.get("connection", "").lower() != "close"
        else:
            while await self._reader.read(65536):
                pass
            self.reusable = False
        return status, headers.get("x-served-by", NOBODY)

    def close(self) -> None:
        """Close without waiting for the other side."""
        self._writer.close()


class Browser:
    """Sends the requests and counts what becomes of them."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.targets: tuple[Target, ...] = ()
        self._kept: dict[Target, Connection] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def browse(self, rate_per_s: float) -> None:
        """Send to all targets in turn, `rate_per_s` in total, for ever."""
        next_at = time.monotonic()
        for number in itertools.count():
            next_at = max(next_at + 1 / rate_per_s, time.monotonic() - 1)
            await asyncio.sleep(max(0, next_at - time.monotonic()))
            if not self.targets:
                continue
            if len(self._under_way) >= LIMIT:
                self.counts.skipped += 1
                continue
            each, turn = divmod(number, len(self.targets))
            keep = each % KEPT_EVERY == KEPT_EVERY - 1
            task = asyncio.create_task(self._request(self.targets[turn], each, keep=keep))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _request(self, target: Target, number: int, *, keep: bool) -> None:
        sources = CLIENT_IPV6 if ":" in target.host else CLIENT_IPV4
        # the kept ones are counted out, or a quarter of the addresses would never be used
        source = sources[0] if keep else sources[(number - number // KEPT_EVERY) % len(sources)]
        counts, name = self.counts, str(target)
        counts.requests += 1
        here = counts.by_target.setdefault(name, Counter())
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, server = await self._exchange(target, source, keep=keep)
        except BAD_ANSWER as error:
            problem = f"{name}: {str(error) or type(error).__name__}"
        else:
            if status < 400:
                counts.answered[server] += 1
                here[server] += 1
                counts.last_server.setdefault(name, {})[source] = server
                return
            problem = f"{name}: answer {status}"
        counts.failed += 1
        here["failed"] += 1
        counts.last_error = problem

    async def _exchange(self, target: Target, source: str, *, keep: bool) -> tuple[int, str]:
        kept = self._kept.pop(target, None) if keep else None
        if kept:
            try:
                return await self._over(kept, target, keep=True)
            except (OSError, EOFError):
                # closed while it was idle, which is no failure of the service: once more
                if kept.heard:
                    raise
        return await self._over(await Connection.to(target, source), target, keep=keep)

    async def _over(self, connection: Connection, target: Target, *, keep: bool) -> tuple[int, str]:
        try:
            return await connection.get(target, keep=keep)
        finally:
            if connection.reusable and target not in self._kept:
                self._kept[target] = connection
            else:
                connection.close()


async def follow(browser: Browser, file: Path, socket: Path) -> None:
    """Learn once a second where to ask; what cannot be read now stays as it was."""
    listed: tuple[Target, ...] = ()
    served: tuple[Target, ...] = ()
    while True:
        with suppress(OSError, ValueError):
            listed = targets_in(file.read_text()) if file.exists() else ()
        with suppress(OSError, ValueError, KeyError, Unable):
            answer = await asyncio.to_thread(ask, socket, "GET", "/document")
            served = targets_of(answer["document"])
        browser.targets = tuple(dict.fromkeys(listed + served))
        await asyncio.sleep(1)


async def report(browser: Browser, file: Path) -> None:
    """Write the figures once a second, whole or not at all."""
    fresh = file.with_suffix(".new")
    before, before_at = 0, time.monotonic()
    while True:
        counts, now = browser.counts, time.monotonic()
        if now > before_at:
            counts.rate_per_s = round((counts.requests - before) / (now - before_at), 1)
        before, before_at, counts.at = counts.requests, now, time.time()
        fresh.write_text(json.dumps(vars(counts)))
        fresh.replace(file)
        await asyncio.sleep(1)


async def run(arguments: argparse.Namespace) -> None:
    """Browse until the lab ends."""
    browser = Browser()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow(browser, arguments.targets, arguments.socket))
        tasks.create_task(report(browser, arguments.figures))
        tasks.create_task(browser.browse(arguments.rate))


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of the client; the lab starts it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    asyncio.run(run(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
