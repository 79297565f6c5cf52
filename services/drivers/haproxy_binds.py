# SPDX-License-Identifier: Apache-2.0
"""Whether HAProxy could listen where a file says: tried before a reload, never after.

A reload that fails to bind costs more than itself: to make room, the new process tells the
old one to pause *all* its listeners and tries again for two seconds, in which every
service of the unit refuses connections (measured on 2.6). So each address is tried first,
with a socket that shares its port as HAProxy's do and never listens.
"""

from __future__ import annotations

import os
import socket


def bind_refusal(address: str, port: int) -> str | None:
    """Why HAProxy could not listen there, in the system's words; None if it could.

    HAProxy itself may hold it: a port is shared between sockets of one account.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            trial.bind((address, port))
        except OSError as error:
            return os.strerror(error.errno or 0)
    return None
