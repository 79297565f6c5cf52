# SPDX-License-Identifier: Apache-2.0
"""What the guest's samples amount to, and that both sides are given the same set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from services.exchange import Imported, read_keepalived, read_ldirectord
from services.exchange.names import Labels
from services.model import Document, Layer4Service
from tests.bench.__main__ import SUBJECTS as BENCHMARKS
from tests.bench.goals import GOALS
from tests.bench.guest.flip import CHECK, bound_s
from tests.bench.guest.keepalived import keepalived_conf
from tests.bench.guest.ldirectord import FOREGROUND, ldirectord_cf
from tests.bench.guest.tables import NEVER, document
from tests.bench.guest.traffic import handled
from tests.bench.kernel_results import SLACK, SUBJECTS, judged
from tests.bench.results import Result, Verdict

TRAFFIC = {
    "dr_requests": [1000.0, 1000.0],
    "dr_cpu_s": [0.2, 0.2],
    "dr_in": [6000.0, 6000.0],
    "dr_out": [6000.0, 6000.0],
    "dr_handled": [6000.0, 6000.0],
    "nat_requests": [800.0, 800.0],
    "nat_cpu_s": [0.32, 0.32],
    "nat_in": [14400.0, 14400.0],
    "nat_out": [14400.0, 14400.0],
    "nat_handled": [8000.0, 8000.0],
    "past_requests": [1000.0],
    "past_cpu_s": [0.001],
    "past_in": [2.0],
    "past_out": [1.0],
    "past_handled": [0.0],
}
TOLD: dict[str, Any] = {
    "apply": {
        "full": [3.0, 4.0, 5.0],
        "restore": [8.0, 10.0, 12.0],
        "none": [2.0, 3.0],
        "save": [2.0, 2.0],
        "glance": [0.5],
        "written": [0.0],
        "lines": [11000.0],
    },
    "change": {"many": [0.02], "few": [0.016], "drain_many": [9.0], "drain_few": [0.5]},
    "keepalived": {"agent": [20.0], "keepalived": [40.0], "missing": [0.0], "services": [1000.0]},
    "ldirectord": {"agent": [8.0], "ldirectord": [80.0], "missing": [7.0], "services": [100.0]},
    "traffic": TRAFFIC,
    "flip": {
        "right": [24.0, 26.0],
        "lost": [0.0, 0.0, 0.0],
        "restored": [9.0, 11.0],
        "bound": [13.0],
    },
}


def results(**changes: Any) -> dict[str, Result]:
    lines = {name: {"samples": samples} for name, samples in (TOLD | changes).items()}
    return {result.name: result for result in judged(lines)}


def test_each_value_is_of_the_samples_that_it_is_said_to_be_of() -> None:
    values = {name: result.value for name, result in results().items()}
    assert values == pytest.approx(
        {
            "l4.apply.ratio": 0.4,
            "l4.change.ratio": 1.25,
            "l4.noop.ratio": 1.25,
            "l4.apply.vs_keepalived": 0.5,
            "l4.apply.vs_ldirectord": 0.1,
            "l4.dr_nat.ratio": 2,
            "health.flip.lost": 0,
            "health.flip.ratio": 25 / (13 + SLACK * 10),
        }
    )
    assert {result.verdict for result in results().values()} == {Verdict.PASS}


def test_they_are_the_benchmarks_that_the_command_knows_in_the_order_of_the_goals() -> None:
    [known] = [each.names for each in BENCHMARKS if each.module == "kernel"]
    assert tuple(results()) == known == tuple(name for name in GOALS if name in known)
    assert {name for of in SUBJECTS.values() for name in of.names} == set(known)


def test_a_subject_that_failed_is_void_with_its_words_and_spares_the_others() -> None:
    lines: dict[str, Any] = {name: {"samples": samples} for name, samples in TOLD.items()}
    lines["flip"] = {"failed": "the agent has ended"}
    found = {result.name: result for result in judged(lines)}
    assert found["health.flip.lost"].void == "the agent has ended"
    assert found["health.flip.ratio"].verdict is Verdict.VOID
    assert found["l4.apply.ratio"].verdict is Verdict.PASS


def test_a_pass_that_wrote_something_was_not_without_effect() -> None:
    made = results(apply=TOLD["apply"] | {"written": [2.0]})["l4.noop.ratio"]
    assert (made.verdict, made.void) == (Verdict.VOID, "2 changes were written")


def test_a_lost_server_is_a_miss_however_late_it_is_seen() -> None:
    made = results(flip=TOLD["flip"] | {"lost": [0.0, 1.0, 0.0]})["health.flip.lost"]
    assert (made.value, made.verdict) == (1, Verdict.MISS)


def test_a_side_that_was_given_up_is_said_to_be_so() -> None:
    found = results()
    assert "ldirectord at least 80.0 s, given up with 7 lines missing" in (
        found["l4.apply.vs_ldirectord"].note
    )
    assert found["l4.apply.vs_keepalived"].note.endswith("keepalived 40.0 s")


def test_direct_routing_and_nat_are_told_with_their_packets_and_the_claim() -> None:
    made = results()["l4.dr_nat.ratio"]
    assert "DR 6.0 packets, NAT 18.0 (3.0 x)" in made.note
    assert "handles 6.0 and 10.0 (1.7 x)" in made.note
    assert "8 times" in made.note
    assert made.ours == pytest.approx([5000, 5000])


def test_packets_are_counted_by_processor_and_not_from_the_sums() -> None:
    stats = (
        "       Total Incoming Outgoing         Incoming         Outgoing\n"
        "CPU    Conns  Packets  Packets            Bytes            Bytes\n"
        "  0        1        A        2              100                0\n"
        "  1        0       10        1                0                0\n"
        "  ~        0        0        0                0                0\n\n"
        "     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
    )
    assert handled(stats) == 0xA + 2 + 0x10 + 1


def test_a_thread_that_works_for_traffic_past_the_appliance_proves_nothing() -> None:
    made = results(traffic=TRAFFIC | {"past_cpu_s": [0.1]})["l4.dr_nat.ratio"]
    assert made.verdict is Verdict.VOID


def test_the_bound_of_a_check_is_its_longest_way_to_notice() -> None:
    looked_at = document(1, 1, CHECK).cluster.layer4[0]
    check = looked_at.check
    assert (check.interval_s, check.fall, check.timeout_s) == (15, 2, 3)
    assert bound_s(looked_at) == 15 + 1 + 2 * 3


@pytest.mark.parametrize(
    ("words", "read"),
    [(keepalived_conf, read_keepalived), (ldirectord_cf, read_ldirectord)],
    ids=["keepalived", "ldirectord"],
)
def test_the_others_are_told_of_the_same_services(
    words: Callable[[Document], str], read: Callable[..., Imported]
) -> None:
    wanted = document(2, 3, NEVER)
    found = read(words(wanted), marks={}, labels=Labels())
    assert {left.text for left in found.leftovers} <= {FOREGROUND}
    assert told(found.services) == told(wanted.cluster.layer4)


def told(services: Sequence[Layer4Service]) -> list[object]:
    """What the kernel hears of services."""
    return [
        (
            *(service.addresses, service.ports, service.scheduler, service.forwarding),
            service.persistence_s,
            [(server.address, server.weight) for server in service.servers],
        )
        for service in services
    ]
