# SPDX-License-Identifier: Apache-2.0
"""The socket's routes, put together: who may ask what, and nothing else.

Those that look are in `routes_looking`, those that change something in `routes_changing`; how
requests are read and answers written is `services.agent.answers`.
"""

from __future__ import annotations

from starlette.applications import Starlette

from services.agent.answers import ON_ERRORS
from services.agent.parts import Parts
from services.agent.routes_changing import changing, drafting, storing
from services.agent.routes_looking import looking, reporting


def application(parts: Parts) -> Starlette:
    """The agent's door, ready for a server that notes peers (`services.agent.peer`).

    Starlette without a framework above it: requests are judged by our own models and answers are
    written already, and a start of the machine waits for all that the agent loads.
    """
    groups = (looking, reporting, changing, drafting, storing)
    return Starlette(
        routes=[route for group in groups for route in group(parts)], exception_handlers=ON_ERRORS
    )
