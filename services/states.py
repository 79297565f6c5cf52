# SPDX-License-Identifier: Apache-2.0
"""What an administrator may want of a real server: a field of the model, shown by every status."""

from __future__ import annotations

from enum import StrEnum


class ServerState(StrEnum):
    """What the administrator wants of a real server."""

    ONLINE = "online"
    DRAIN = "drain"
    HALT = "halt"
