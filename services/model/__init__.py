# SPDX-License-Identifier: Apache-2.0
"""What an administrator may ask for: pure data, the only declaration of each field.

A field's type, limits, default and help stand once, here. Forms, the JSON Schema, the
manual and the error messages are derived from it. Nothing here reads a file, a socket or
a clock.
"""

from __future__ import annotations

from services.model.base import Model, field_help
from services.model.document import Cluster, Document, real_servers, server_names
from services.model.layer7 import (
    Balance,
    Check,
    CheckKind,
    Mode,
    Persistence,
    RealServer,
    ServerState,
    VirtualService,
)
from services.model.local import Interface, Local, Role
from services.model.problems import problems_from

__all__ = [
    "Balance",
    "Check",
    "CheckKind",
    "Cluster",
    "Document",
    "Interface",
    "Local",
    "Mode",
    "Model",
    "Persistence",
    "RealServer",
    "Role",
    "ServerState",
    "VirtualService",
    "field_help",
    "problems_from",
    "real_servers",
    "server_names",
]
