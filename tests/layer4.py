# SPDX-License-Identifier: Apache-2.0
"""Layer 4 documents for tests that look after servers."""

from __future__ import annotations

from typing import Any

from services.model import Cluster, Document, Layer4Server, Layer4Service

VIP = "203.0.113.10"


def rip(number: int, **fields: Any) -> Layer4Server:
    """Real server `number`, at 198.51.100.`number`."""
    given = {"id": number, "label": f"web{number}", "address": f"198.51.100.{number}"}
    return Layer4Server.model_validate(given | fields)


def vip(
    *servers: Layer4Server, check: dict[str, Any] | None = None, **fields: Any
) -> Layer4Service:
    """Service 7 on port 80 by TUN, whose servers need no network here; checked every second."""
    quick = {"interval_s": 1, "timeout_s": 1} | (check or {})
    given = {"id": 7, "label": "web", "addresses": [VIP], "ports": "80", "forwarding": "tun"}
    return Layer4Service.model_validate({**given, "servers": servers, "check": quick} | fields)


def document(*services: Layer4Service) -> Document:
    """A document of these services."""
    return Document(cluster=Cluster(layer4=services))
