# SPDX-License-Identifier: Apache-2.0
"""The command line as a test sees it: arguments in, both streams and the status out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from services.cli import main
from services.client import Client
from tests.fakes.appliance import ScriptedAppliance


@dataclass(frozen=True)
class Ran:
    """What one run of `ballast` gave."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Ballast = Callable[..., Ran]


def against(fake: ScriptedAppliance, capsys: pytest.CaptureFixture[str]) -> Ballast:
    """`ballast` whose agent is `fake`."""

    def connect(_: Path) -> Client:
        return cast(Client, fake)

    def ballast(*arguments: str) -> Ran:
        capsys.readouterr()
        status = main(arguments, connect=connect)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Ran(status, said.out, said.err)

    return ballast
