# SPDX-License-Identifier: Apache-2.0
"""What an administrator may ask for: pure data, the only declaration of each field.

A field's type, limits, default and help stand once, here. Forms, the JSON Schema, the
manual and the error messages are derived from it. Nothing here reads a file, a socket or
a clock.
"""

from __future__ import annotations

from services.model.base import Model, field_help
from services.model.checks import CheckProtocol, CheckType, Feedback, Layer4Check
from services.model.document import (
    LAYERS,
    NAT,
    SINGLE,
    AnyService,
    Cluster,
    Document,
    real_servers,
    server_names,
)
from services.model.layer4 import Forwarding, Layer4Server, Layer4Service, Scheduler
from services.model.layer4_advanced import Layer4Advanced
from services.model.layer7 import (
    Balance,
    Check,
    CheckKind,
    Mode,
    Persistence,
    RealServer,
    VirtualService,
)
from services.model.local import Interface, Local, Role
from services.model.nat import NatEntry, NatProtocol
from services.model.problems import problems_from
from services.model.service import Server
from services.states import ServerState

__all__ = [
    "LAYERS",
    "NAT",
    "SINGLE",
    "AnyService",
    "Balance",
    "Check",
    "CheckKind",
    "CheckProtocol",
    "CheckType",
    "Cluster",
    "Document",
    "Feedback",
    "Forwarding",
    "Interface",
    "Layer4Advanced",
    "Layer4Check",
    "Layer4Server",
    "Layer4Service",
    "Local",
    "Mode",
    "Model",
    "NatEntry",
    "NatProtocol",
    "Persistence",
    "RealServer",
    "Role",
    "Scheduler",
    "Server",
    "ServerState",
    "VirtualService",
    "field_help",
    "problems_from",
    "real_servers",
    "server_names",
]
