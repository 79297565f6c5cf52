# SPDX-License-Identifier: Apache-2.0
"""The machine's name, as the kernel holds it.

Asked of the kernel and not of /etc/hostname: the file says what the name will be after the
next start, the kernel what it is. No thread is needed, both calls only copy a string.
"""

from __future__ import annotations

import os
import socket
from typing import Protocol

from services.errors import Unable


class Host(Protocol):
    """The machine itself."""

    async def hostname(self) -> str:
        """The name the kernel has."""

    async def set_hostname(self, name: str) -> None:
        """Name the machine. Raises `Unable`."""


class KernelHost:
    """The real one, in the UTS namespace of this process."""

    async def hostname(self) -> str:
        return socket.gethostname()

    async def set_hostname(self, name: str) -> None:
        try:
            socket.sethostname(name)
        except PermissionError as error:
            raise Unable(
                f"This process may not name the machine {name}.",
                do="Run the agent as root.",
            ) from error
        except OSError as error:
            raise Unable(
                f"The kernel does not take {name} as the machine's name: "
                f"{os.strerror(error.errno or 0)}.",
                do="Choose a name of 63 characters at most.",
            ) from error
