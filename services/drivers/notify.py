# SPDX-License-Identifier: Apache-2.0
"""Tell the service manager how far this process is, by sd_notify(3): one datagram."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


def ready(status: str, environment: Mapping[str, str] = os.environ) -> None:
    """Whoever waits for this unit may go on."""
    _tell(f"READY=1\nSTATUS={status}", environment)


def stopping(environment: Mapping[str, str] = os.environ) -> None:
    """It ends on purpose."""
    _tell("STOPPING=1", environment)


def _tell(words: str, environment: Mapping[str, str]) -> None:
    """Nobody asks for it in a lab; a manager that does not listen is no reason to fail."""
    path = environment.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(words.encode(), address)
    except OSError as error:
        log.warning("the service manager was not told: %s", error.strerror)
