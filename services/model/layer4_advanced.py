# SPDX-License-Identifier: Apache-2.0
"""Settings of all layer 4 services at once: the guide's "Layer 4 - Advanced Configuration".

In the cluster half, since a unit that takes over must treat connections, failed servers and the
servers' way out as its partner did.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.model.base import Model
from services.model.local import InterfaceName

_LONGEST_S = 604_800
"""A week: whatever is silent for longer has ended unheard."""


class Layer4Advanced(Model):
    """What holds for every layer 4 service; timeouts begin with the kernel's own."""

    tcp_timeout_s: Annotated[int, Field(ge=1, le=_LONGEST_S)] = Field(
        default=900, title="TCP timeout"
    )
    """Seconds after which a silent TCP connection is forgotten."""

    tcp_fin_timeout_s: Annotated[int, Field(ge=1, le=_LONGEST_S)] = Field(
        default=120, title="TCP close timeout"
    )
    """Seconds that a TCP connection is remembered once both sides have closed it."""

    udp_timeout_s: Annotated[int, Field(ge=1, le=_LONGEST_S)] = Field(
        default=300, title="UDP timeout"
    )
    """Seconds without a packet after which a UDP client may get another server."""

    quiescent: bool = Field(default=True, title="Quiescent")
    """A server that is down finishes its connections with weight 0; no: it is taken out at once."""

    release_persistent: bool = Field(default=True, title="Release persistent")
    """Persistent clients of a server with weight 0 get another; no: when persistence ends."""

    auto_nat: InterfaceName | None = Field(default=None, title="Auto-NAT")
    """External interface by which real servers behind the unit get out, with its address."""

    one_arm_nat: bool = Field(default=False, title="One-arm NAT")
    """NAT answers clients in the servers' own network, who show as this unit; costs some rate."""
