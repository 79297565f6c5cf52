# SPDX-License-Identifier: Apache-2.0
"""The socket's routes, put together: who may ask what, and nothing else.

Those that look are in `routes_looking`, those that change something in `routes_changing`; how
requests are read and answers written is `services.agent.answers`.
"""

from __future__ import annotations

from fastapi import FastAPI

from services.agent.answers import answer_errors
from services.agent.parts import Parts
from services.agent.routes_changing import changing, drafting, storing
from services.agent.routes_looking import looking, reporting


def application(parts: Parts) -> FastAPI:
    """The agent's door, ready for a server that notes peers (`services.agent.peer`)."""
    app = FastAPI(title="Ballast agent", docs_url=None, redoc_url=None, openapi_url=None)
    answer_errors(app)
    for routes in (looking, reporting, changing, drafting, storing):
        app.include_router(routes(parts))
    return app
