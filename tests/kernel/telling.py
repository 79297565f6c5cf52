# SPDX-License-Identifier: Apache-2.0
"""The guest's side: a pytest plugin that writes every report to the serial port, a line each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PORT = Path("/dev/ttyS1")


class Teller:
    """Writes reports as the host's pytest reads them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._port = PORT.open("wb", buffering=0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tell(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell(report)

    def _tell(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._port.write(json.dumps(data, default=str).encode() + b"\n")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to tell."""
    config.pluginmanager.register(Teller(config), "teller")
