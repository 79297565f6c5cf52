# SPDX-License-Identifier: Apache-2.0
"""One question to the agent's socket, by the standard library alone.

`services.client` is the door for programs; it brings pydantic along, a second of
start-up that a lab would pay three times over. This is enough to follow a document.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.errors import Unable


class Refusal(Unable):
    """The agent's no; `said` is what it told, without the request that it answers."""

    def __init__(self, request: str, said: str, *, do: str) -> None:
        super().__init__(f"{request}: {said}", do=do)
        self.said = said


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("ballast", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(
    path: Path,
    method: str,
    what: str,
    body: Mapping[str, object] | None = None,
    *,
    timeout_s: float = 2,
) -> Any:
    """Send one request and return the answer, from JSON.

    Raises `OSError` when nobody listens or answers, `Refusal` with the agent's own words when
    it refuses.
    """
    connection = _UnixConnection(path, timeout_s)
    try:
        data = json.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if data else {}
        connection.request(method, what, data, headers)
        answer = connection.getresponse()
        content = answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"the agent's answer is no HTTP: {error!r}") from error
    finally:
        connection.close()
    if answer.status >= 400:
        raise _refusal(f"{method} {what}", content.decode(errors="replace"))
    return json.loads(content)


def _refusal(request: str, content: str) -> Refusal:
    """The agent's `ErrorView` as an error of ours."""
    try:
        view = json.loads(content)
        found = (".".join(map(str, p["path"])) + ": " + p["what"] for p in view.get("problems", ()))
        return Refusal(request, " ".join((view["what"], *found)), do=view["do"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Refusal(request, f"the agent said {content[:2000]}.", do="Look in its log.")
