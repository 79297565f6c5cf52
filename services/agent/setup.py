# SPDX-License-Identifier: Apache-2.0
"""The help for a real server as it travels over the socket."""

from __future__ import annotations

from services.api import SetupView
from services.errors import NotFound
from services.model import Document, real_servers
from services.plan.state import ServerKey
from services.render.setup import as_text, server_setup
from services.systems import System


def setup_view(document: Document, key: ServerKey, system: System) -> SetupView:
    """The help for the server of these ids; raises `NotFound`."""
    server = real_servers(document).get(key)
    if server is None:
        raise NotFound("There is no such real server.", do="Look at what runs now.")
    found = server_setup(document, server.address, system)
    return SetupView(
        system=system,
        title=found.title,
        about=found.about,
        apply=found.apply,
        verify=found.verify,
        undo=found.undo,
        text=as_text(found),
    )
