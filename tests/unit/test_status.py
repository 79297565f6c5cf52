# SPDX-License-Identifier: Apache-2.0
"""The colours of the Overview are the guide's."""

from __future__ import annotations

import pytest

from services.api import Health
from services.drivers.sample import Sample, ServerCounters, ServiceCounters
from services.model import Document, ServerState
from services.reports.status import services_status


def document(*states: ServerState) -> Document:
    servers = [
        {"id": number, "label": f"web{number}", "address": "192.0.2.1", "port": 80, "state": state}
        for number, state in enumerate(states, start=1)
    ]
    service = {"id": 1, "label": "web", "addresses": ["198.51.100.1"], "ports": "80"}
    return Document.model_validate({"cluster": {"layer7": [{**service, "servers": servers}]}})


def sample(*up: bool, at: float = 10.0, running: bool = True, total: int = 0) -> Sample:
    return Sample(
        at=at,
        running=running,
        servers={
            (1, number): ServerCounters(
                up=good, reason="" if good else "connection refused", bytes_total=total
            )
            for number, good in enumerate(up, start=1)
        },
        services={1: ServiceCounters(connections=4, bytes_total=total)},
    )


ONLINE, DRAIN, HALT = ServerState.ONLINE, ServerState.DRAIN, ServerState.HALT


@pytest.mark.parametrize(
    ("states", "up", "colour"),
    [
        ((ONLINE, ONLINE), (True, True), Health.UP),
        ((ONLINE, ONLINE), (True, False), Health.WARN),
        ((ONLINE, ONLINE), (False, False), Health.DOWN),
        ((HALT, DRAIN), (True, True), Health.OFF),
        ((HALT, ONLINE), (True, True), Health.UP),
        ((HALT, ONLINE), (True, False), Health.DOWN),
        ((), (), Health.OFF),
    ],
)
def test_a_service_has_the_guides_colour(
    states: tuple[ServerState, ...], up: tuple[bool, ...], colour: Health
) -> None:
    [service] = services_status(document(*states), sample(*up), sample(*up, at=9.0))
    assert service.health is colour


def test_a_server_says_why_it_is_down() -> None:
    [service] = services_status(document(ONLINE, HALT, DRAIN), sample(False), sample(at=9.0))
    assert [(server.health, server.reason) for server in service.servers] == [
        (Health.DOWN, "connection refused"),
        (Health.HALT, "halted by the administrator"),
        (Health.DRAIN, "draining: finishes its connections"),
    ]


def test_without_haproxy_everything_is_down_and_says_so() -> None:
    [service] = services_status(document(ONLINE), sample(running=False), sample(at=9.0))
    assert (service.health, service.reason) == (Health.DOWN, "HAProxy is not running")


def test_rates_are_per_second_between_the_samples() -> None:
    before, now = sample(True, at=8.0, total=1000), sample(True, at=10.0, total=5000)
    [service] = services_status(document(ONLINE), now, before)
    assert (service.bytes_per_s, service.servers[0].bytes_per_s) == (2000.0, 2000.0)


def test_counters_that_began_again_give_no_rate() -> None:
    before, now = sample(True, at=8.0, total=9000), sample(True, at=10.0, total=10)
    [service] = services_status(document(ONLINE), now, before)
    assert service.bytes_per_s == 0
