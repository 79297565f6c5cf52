# SPDX-License-Identifier: Apache-2.0
"""A real server of the lab: plain HTTP/1.1 that always says who answered.

Started by its file name and without a package around it, so that half a dozen of them are
up in a moment. It answers `/`, `/health`, `/slow?s=N` (one piece a second for N seconds)
and `/bytes?n=N`, keeps connections alive, and ends when it is told to, connections or not.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

HEAD_LIMIT = 65536
IDLE_S = 75.0
MAX_BYTES = 1 << 30
MAX_SLOW_S = 3600.0


@dataclass(frozen=True)
class Request:
    """What matters of a request."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    keep_alive: bool

    def number(self, name: str, most: float) -> float:
        """A number from the query, 1 if it is missing, between 0 and `most`."""
        return min(max(float(self.query.get(name, ["1"])[0]), 0), most)


def parsed(head: bytes) -> Request:
    """Raises `ValueError` for what is no HTTP/1 request."""
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    pairs = (line.partition(":") for line in rest if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    wish = headers.get("connection", "").lower()
    keep_alive = wish != "close" if version == "HTTP/1.1" else wish == "keep-alive"
    split = urlsplit(target)
    return Request(method, split.path, parse_qs(split.query), headers, keep_alive)


class WebServer:
    """Answers on behalf of one name."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as long as the client keeps it."""
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            return  # the program ends; asyncio would report the cancelled connection as a fault
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_S)
        try:
            request = parsed(head[:-4])
            body = int(request.headers.get("content-length", "0"))
        except ValueError:
            self._begin(writer, "400 Bad Request", 0, keep=False)
            return False
        while body > 0:
            body -= len(await reader.readexactly(min(body, 65536)))
        keep = request.keep_alive and "transfer-encoding" not in request.headers
        try:
            await self._answer(request, writer, keep=keep)
        except ValueError:
            self._begin(writer, "400 Bad Request", 0, keep=False)
            return False
        await writer.drain()
        return keep

    async def _answer(self, request: Request, writer: asyncio.StreamWriter, *, keep: bool) -> None:
        match request.path:
            case "/":
                came_from = request.headers.get("x-forwarded-for") or peer(writer)
                said = f"{self._name} answers {came_from}\n".encode()
                self._begin(writer, "200 OK", len(said), keep=keep)
            case "/health":
                said = b"ok\n"
                self._begin(writer, "200 OK", len(said), keep=keep)
            case "/slow":
                pieces = round(request.number("s", MAX_SLOW_S))
                piece = f"{self._name}\n".encode()
                self._begin(writer, "200 OK", pieces * len(piece), keep=keep)
                for _ in range(pieces if request.method != "HEAD" else 0):
                    await writer.drain()
                    await asyncio.sleep(1)
                    writer.write(piece)
                return
            case "/bytes":
                left = round(request.number("n", MAX_BYTES))
                self._begin(writer, "200 OK", left, keep=keep)
                while left and request.method != "HEAD":
                    writer.write(b"x" * min(left, 65536))
                    left -= min(left, 65536)
                    await writer.drain()
                return
            case _:
                said = b"nothing here\n"
                self._begin(writer, "404 Not Found", len(said), keep=keep)
        if request.method != "HEAD":
            writer.write(said)

    def _begin(self, writer: asyncio.StreamWriter, status: str, length: int, *, keep: bool) -> None:
        writer.write(
            f"HTTP/1.1 {status}\r\nX-Served-By: {self._name}\r\nX-Seen-From: {peer(writer)}\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {length}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
        )


def peer(writer: asyncio.StreamWriter) -> str:
    """Who is at the other end of this very connection: the appliance, mostly."""
    host: str = (writer.get_extra_info("peername") or ("unknown",))[0]
    return host


async def run(name: str, port: int) -> None:
    """Serve on every address of the machine until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serve = WebServer(name).serve
    listening = [
        await asyncio.start_server(serve, host, port, limit=HEAD_LIMIT, backlog=4096)
        for host in ("0.0.0.0", "::")
    ]
    sys.stdout.write(f"{name} listens on port {port}\n")
    sys.stdout.flush()
    await stop.wait()
    for server in listening:
        server.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
