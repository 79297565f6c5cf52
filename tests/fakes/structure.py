# SPDX-License-Identifier: Apache-2.0
"""What of a configuration a running HAProxy cannot be told without a reload."""

from __future__ import annotations

from services.model import Document


def structure(document: Document) -> object:
    """Everything but states, weights and comments."""
    tree = document.cluster.model_dump(mode="json")
    for service in tree["layer7"]:
        for server in service["servers"]:
            del server["state"], server["weight"], server["comment"]
        del service["comment"]
    return tree
