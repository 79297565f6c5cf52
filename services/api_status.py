# SPDX-License-Identifier: Apache-2.0
"""How the appliance does and who one is to it: types only, as in `services.api`, of which this is
a part.

Apart, because a status screen needs nothing else and a machine that starts shows one: the whole
model of what can be configured stays out of it.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from services.states import ServerState
from services.wire import Wire


class AccessRole(StrEnum):
    """What an account may do; each includes those after it."""

    ADMIN = "admin"
    OPERATOR = "operator"
    """Drain, halt, online."""
    VIEWER = "viewer"
    SETUP = "setup"
    """Network settings only."""


class Health(StrEnum):
    """The word on the chip; the guide's colours: green, yellow, red, blue."""

    UP = "UP"
    WARN = "WARN"
    """Service: some server failed, others answer."""
    DOWN = "DOWN"
    HALT = "HALT"
    """Server: taken offline on purpose, at once."""
    DRAIN = "DRAIN"
    """Server: taken offline on purpose, finishing its connections."""
    OFF = "OFF"
    """Service: every server was taken offline on purpose, or it has none."""


class ServerStatus(Wire):
    """One real server, live."""

    id: int
    label: str
    address: str
    port: int
    weight: int
    state: ServerState
    """What the administrator wants."""
    health: Health
    reason: str
    """Why it is so, in words, e.g. "connection refused" or "answer 503"; may be empty."""
    connections: int
    queued: int
    sessions_total: int
    sessions_per_s: float
    bytes_per_s: float
    """Both directions."""
    check_ms: int | None
    """Duration of the last check."""
    since_s: int
    """Seconds since the last change of health."""

    @property
    def serves(self) -> bool:
        """Whether new connections come to it and are answered."""
        return self.state is ServerState.ONLINE and self.health is Health.UP and self.weight > 0


class ServiceStatus(Wire):
    """One virtual service, live."""

    id: int
    label: str
    addresses: tuple[str, ...]
    ports: str
    kind: str
    """As shown: "L7 http"."""
    health: Health
    reason: str
    connections: int
    sessions_total: int
    sessions_per_s: float
    bytes_per_s: float
    servers: tuple[ServerStatus, ...]

    @property
    def layer(self) -> str:
        """The cluster's field it stands in, as in a draft's keys: `layer4`, `layer7`."""
        return "layer4" if self.kind.startswith("L4") else "layer7"

    def abandoned_without(self, gone: Collection[int]) -> bool:
        """Whether some server serves now, and none would without those of these ids."""
        serving = {server.id for server in self.servers if server.serves}
        return bool(serving) and serving <= set(gone)


class InterfaceStatus(Wire):
    """One network card, live."""

    name: str
    carrier: bool
    mac: str
    addresses: tuple[str, ...]
    """The card's own; a VIP is none of them, it may move to the peer."""
    floating: tuple[str, ...] = ()
    """VIPs that are up on it now."""
    not_saved: tuple[str, ...]
    """Addresses somebody added by hand: they are gone after a restart."""
    driver: str = ""
    speed_mbit: int = 0
    """0: it has no link, or does not know."""


class UnitStatus(Wire):
    """One daemon."""

    name: str
    running: bool
    since_s: int
    detail: str


class ConfirmStatus(Wire):
    """An applied change that rolls back by itself unless it is confirmed."""

    revision: int
    """The revision that comes back."""
    seconds_left: int
    who: str


class NodeStatus(Wire):
    """The appliance itself."""

    hostname: str
    role: str
    """"master" or "slave"."""
    active: bool
    link: str
    """"no peer" while the unit is single."""
    version: str
    revision: int
    cpu_pct: float
    memory_pct: float
    uptime_s: int
    connections: int
    bytes_in_per_s: float
    bytes_out_per_s: float
    interfaces: tuple[InterfaceStatus, ...]
    units: tuple[UnitStatus, ...]
    notices: tuple[str, ...]
    """What the administrator must know: a broken revision, a change undone, drift put right."""
    confirm: ConfirmStatus | None = None
    factory: tuple[str, ...] = ()
    """Accounts that still have the password of the guide: good on the machine's own screen only."""


class Status(Wire):
    """Everything the Overview shows, from one moment."""

    at: float
    """Seconds since 1970."""
    node: NodeStatus
    services: tuple[ServiceStatus, ...]


class WhoAmI(Wire):
    """What the agent learnt from the socket about who is asking."""

    user: str
    role: AccessRole
    draft: str
    """Key of this console's draft."""
