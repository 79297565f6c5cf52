# SPDX-License-Identifier: Apache-2.0
"""A real HAProxy between web servers that misbehave on request and clients that look closely.

Everything stands on the loopback device of one network namespace, on documentation
addresses, so ports are fixed and nothing can meet anybody else's.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from services.drivers.haproxy import MasterHaproxy, haproxy_unit
from services.drivers.units import ChildUnits
from services.model import Check, CheckKind, Cluster, Document, RealServer, VirtualService
from services.plan.state import HaproxyWanted
from services.render import Place, haproxy_wanted
from tests.netns import inside, ip
from tests.poll import eventually_async

VIP = "203.0.113.10"
VIP6 = "2001:db8:1::10"
CLIENT, OTHER_CLIENT = "192.0.2.1", "192.0.2.2"
OUR_SIDE = (VIP, "203.0.113.11", CLIENT, OTHER_CLIENT)


def alone(test: Callable[[], Awaitable[object]]) -> Callable[[], None]:
    """Run a coroutine test in a network namespace of its own."""

    def run() -> None:
        inside(_with_addresses, test, timeout_s=60)

    return run


async def _with_addresses(test: Callable[[], Awaitable[object]]) -> None:
    servers = [f"198.51.100.{number}" for number in range(1, 10)]
    ip(
        *(f"addr add {address}/32 dev lo" for address in (*OUR_SIDE, *servers)),
        *(f"addr add {address}/128 dev lo nodad" for address in (VIP6, "2001:db8:2::1")),
    )
    await test()


# -- what is asked for ----------------------------------------------------------------------


def rip(number: int, **fields: Any) -> RealServer:
    """Real server `number`, on 198.51.100.`number` port 80."""
    given = {"id": number, "label": f"web{number}", "address": f"198.51.100.{number}", "port": 80}
    return RealServer.model_validate(given | fields)


def vip(*servers: RealServer, **fields: Any) -> VirtualService:
    """Service 7 on the first VIP, port 80; servers are checked every second."""
    check = Check(kind=CheckKind.HTTP_GET, path="/health", interval_s=1, timeout_s=1)
    given = {"id": 7, "label": "web", "addresses": [VIP], "ports": "80", "check": check}
    return VirtualService.model_validate({**given, "servers": servers} | fields)


def document(*services: VirtualService) -> Document:
    """A document of these services."""
    return Document(cluster=Cluster(layer7=services))


# -- servers --------------------------------------------------------------------------------


@dataclass
class Web:
    """A web server: `/health` answers `status`, `/long` does not end before it may."""

    name: str
    address: str
    port: int = 80
    status: int = 200
    body: bytes = b""
    """Of `/health`; empty is the name."""
    raw: bytes | None = None
    """Said to `/health` instead of HTTP."""
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    requests: Counter[str] = field(default_factory=Counter)
    seen: list[Mapping[str, str]] = field(default_factory=list)
    """Headers of requests other than checks."""
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._talk, self.address, self.port)

    async def close(self) -> None:
        """Refuse connections, and break those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1]
                self.requests[path] += 1
                if path == "/long":
                    await self._slowly(writer)
                elif path == "/health" and self.raw is not None:
                    writer.write(self.raw)
                    break
                else:
                    self._answer(writer, path, head)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, path: str, head: str) -> None:
        check = path == "/health"
        body = self.body if check and self.body else self.name.encode()
        if not check:
            lines = (line.partition(": ") for line in head.split("\r\n")[1:] if line)
            self.seen.append({name.lower(): value for name, _, value in lines})
        status = self.status if check else 200
        writer.write(
            b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nX-Served-By: %s\r\n\r\n%s"
            % (status, len(body), self.name.encode(), body)
        )

    async def _slowly(self, writer: asyncio.StreamWriter) -> None:
        """A download of 10,000 bytes, the second half when it may."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + b"a" * 5000)
        await writer.drain()
        await self.may_end.wait()
        writer.write(b"b" * 5000)


# -- clients --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def who(self) -> str:
        """The server's name; `fallback` for the built-in page."""
        named = self.headers.get("x-served-by", "")
        return named or ("fallback" if self.status == 503 else "?")

    @property
    def cookie(self) -> str:
        """The cookie that was set, as it is sent back."""
        return self.headers.get("set-cookie", "").partition(";")[0]


class Client:
    """One connection, kept alive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, address: str = VIP, port: int = 80, *, source: str | None = None) -> Self:
        here = (source, 0) if source else None
        return cls(*await asyncio.open_connection(address, port, local_addr=here))

    async def ask(self, path: str = "/", *, cookie: str = "") -> Answer:
        await self.send(path, cookie=cookie)
        return await self.answer()

    async def send(self, path: str = "/", *, cookie: str = "") -> None:
        lines = [f"GET {path} HTTP/1.1", "Host: www.example.com"]
        lines += [f"Cookie: {cookie}"] if cookie else []
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._writer.drain()

    async def answer(self) -> Answer:
        """Read one answer; raises `IncompleteReadError` if it is cut off."""
        async with asyncio.timeout(10):
            status, headers = await self.head()
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
            return Answer(status, headers, body)

    async def head(self) -> tuple[int, Mapping[str, str]]:
        text = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.rstrip().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(10):
            return await self._reader.readexactly(count)

    def close(self) -> None:
        self._writer.close()


async def ask(
    address: str = VIP,
    port: int = 80,
    *,
    path: str = "/",
    cookie: str = "",
    source: str | None = None,
) -> Answer:
    """One request on a connection of its own."""
    client = await Client.to(address, port, source=source)
    try:
        return await client.ask(path, cookie=cookie)
    finally:
        client.close()


async def who(count: int = 8, **where: Any) -> set[str]:
    """Who answers `count` requests."""
    return {(await ask(**where)).who for _ in range(count)}


class Load:
    """Clients that ask without a pause until it ends, and count who answered."""

    def __init__(self, *, clients: int = 4, pause_s: float = 0.002) -> None:
        self.answers: Counter[str] = Counter()
        self.failed: list[str] = []
        self._clients, self._pause_s = clients, pause_s
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._go()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _go(self) -> None:
        while True:
            try:
                self.answers[(await ask()).who] += 1
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.failed.append(repr(error))
            await asyncio.sleep(self._pause_s)

    async def next(self, count: int) -> Counter[str]:
        """Who answers the next `count` requests."""
        before = self.answers.copy()
        goal = before.total() + count
        await eventually_async(self._total, lambda total: total >= goal)
        return self.answers - before

    async def _total(self) -> int:
        return self.answers.total()


# -- the appliance's part -------------------------------------------------------------------


class DataPlane:
    """HAProxy, its driver and its folder."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(run=folder, etc=folder, account="haproxy")
        self.config = Path(self.place.config)
        self.unit = haproxy_unit(self.place)
        self.units = ChildUnits({"haproxy": self.unit})
        self.driver = MasterHaproxy(self.place, self.units)

    async def load(self, wanted: Document) -> HaproxyWanted:
        """Make HAProxy load it: start, or reload."""
        new = haproxy_wanted(wanted, self.place)
        self.write(new.config.data)
        if (await self.driver.seen()).running:
            await self.driver.reload()
        else:
            await self.driver.start()
        return new

    def write(self, config: bytes) -> None:
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_bytes(config)

    async def told(self, line: str) -> str:
        """What the worker answers, asked past the driver."""
        return await _say(Path(self.place.admin_socket), line)

    async def told_by_master(self, line: str) -> str:
        return await _say(Path(self.place.master_socket), line)

    async def worker(self) -> int:
        """The worker's process id."""
        info = await self.told("show info")
        return int(next(line for line in info.split("\n") if line.startswith("Pid:"))[4:])

    async def up(self, *ids: int, service: int = 7) -> None:
        """Wait until exactly these servers are up by their checks."""

        async def found() -> set[int]:
            sample = await self.driver.sample()
            return {key[1] for key, seen in sample.servers.items() if seen.up and key[0] == service}

        await eventually_async(found, lambda found: found == set(ids))


async def _say(socket: Path, line: str) -> str:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(f"{line}\n".encode())
    writer.write_eof()
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()


@asynccontextmanager
async def data_plane(first: Document | None = None) -> AsyncIterator[DataPlane]:
    """HAProxy with a document loaded; it ends with the block.

    The folder's name is short: a socket's path may have 108 letters.
    """
    with tempfile.TemporaryDirectory(prefix="b-", dir="/tmp") as folder:
        plane = DataPlane(Path(folder))
        try:
            if first is not None:
                await plane.load(first)
            yield plane
        finally:
            await plane.units.stop("haproxy")


@asynccontextmanager
async def webs(count: int) -> AsyncIterator[Sequence[Web]]:
    """Web servers on the addresses of `rip(1)` and so on."""
    made = [Web(f"web{number}", f"198.51.100.{number}") for number in range(1, count + 1)]
    for web in made:
        await web.open()
    try:
        yield made
    finally:
        for web in made:
            await web.close()
