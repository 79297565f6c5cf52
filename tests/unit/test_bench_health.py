# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of health make of times and packets, and what their ldirectord is told."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from services.identity import with_ids
from services.model import Document
from services.render import Place
from services.render.checks import checks_wanted, haproxy_targets
from tests.bench.arrivals import asked_for
from tests.bench.checking import MANY, SHARED, Window, cost, looks_per_interval, sharing
from tests.bench.farm import Arrival, Shape, Weight, last_weights, lost_after_s, told
from tests.bench.health import SHAPE, Seen, beside_ldirectord, bound_s, detection, said
from tests.bench.ldirectord import IN_THE_PLACE_OF_IPVSADM, config, listed
from tests.bench.results import Verdict

SMALL = Shape(services=2, servers=5, leaving=1)


def run_by(shape: Shape) -> Document:
    """What the appliance makes of a shape's document."""
    return with_ids(Document.model_validate(shape.document()), Document(), count(1).__next__)


def seen(after_s: dict[str, float], *vanished: str, watched_s: float = 100) -> Seen:
    return Seen(after_s, frozenset(vanished), watched_s)


def test_every_fifth_server_vanishes_and_all_are_looked_at_in_one_manner() -> None:
    assert len(SHAPE.everybody) == 1000
    assert len(SHAPE.those_leaving) == 200
    assert SMALL.addresses(1) == tuple(f"10.30.0.{number}" for number in range(6, 11))
    assert SMALL.those_leaving == {"10.30.0.1", "10.30.0.6"}
    targets = haproxy_targets(run_by(SHAPE))
    assert len(targets) == 1000
    assert len({target.manner for target in targets}) == 1


def test_the_bound_is_what_the_generated_checks_allow() -> None:
    assert bound_s(SHAPE) == 2 + 1 + 2 * 1
    assert bound_s(Shape(1, 1, interval_s=4, timeout_s=3, fall=3)) == 4 + 2 * 1 + 3 * 3
    document = run_by(SHAPE)
    text = checks_wanted(document, Place(run=Path("run"))).config.data.decode()
    assert "check inter 2s fastinter 1s fall 2 rise 2" in text
    assert "timeout check 1s" in text


def test_services_that_share_their_servers_have_fewer_targets_than_servers() -> None:
    document = run_by(SHARED)
    assert sum(len(each.servers) for each in document.cluster.layer4) == 200
    assert len(haproxy_targets(document)) == 50 == len(SHARED.everybody)


def test_a_server_is_lost_when_it_first_gets_nothing_after_it_has_vanished() -> None:
    weights = [
        Weight(1.0, "a", 0),
        Weight(5.0, "a", 100),
        Weight(12.0, "a", 0),
        Weight(13.0, "a", 0),
        Weight(14.0, "b", 50),
    ]
    assert lost_after_s(weights, since=10.0) == {"a": 2.0}
    assert last_weights(weights) == {"a": 0, "b": 50}


def test_a_file_that_is_being_written_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    assert told(path) == []
    path.write_text("1.5 10.30.0.1 100\n2.5 10.30.0.2 0\n3.5 10.3")
    assert told(path) == [Weight(1.5, "10.30.0.1", 100), Weight(2.5, "10.30.0.2", 0)]


def test_detection_is_its_99th_percentile_beside_the_bound() -> None:
    times = {f"s{number}": 4.0 + number / 100 for number in range(100)}
    made = detection([seen(times, *times)], 5.0)
    assert made.value == pytest.approx(4.98 / 5)
    assert made.verdict is Verdict.PASS
    assert detection([seen(times, *times)], 4.0).verdict is Verdict.MISS


def test_detection_is_void_when_a_server_was_missed_or_wronged() -> None:
    missed = detection([seen({"a": 4.0}, "a", "b")], 5.0)
    assert missed.void == "1 servers were never noticed"
    wronged = detection([seen({"a": 4.0, "b": 4.0}, "a")], 5.0)
    assert wronged.void == "1 servers that answered were taken for dead"
    assert {missed.verdict, wronged.verdict} == {Verdict.VOID}


def test_whom_ldirectord_has_not_noticed_counts_as_if_noticed_at_the_end() -> None:
    ours, forked = seen({"a": 4.0, "b": 4.0}, "a", "b"), seen({"a": 30.0, "b": 34.0}, "a", "b")
    plain = seen({"a": 90.0}, "a", "b")
    made = beside_ldirectord([ours], plain, forked)
    assert list(made.peer) == [90.0, 100.0]
    assert made.value == pytest.approx(4 / 95)
    assert made.beside["fork_yes_ratio"] == pytest.approx(4 / 32)
    assert "at least 95.0 s (1 of 2 not noticed when given up)" in made.note
    assert said(forked) == "32.0 s"
    assert beside_ldirectord([ours], seen({"c": 1.0}, "a"), forked).verdict is Verdict.VOID


def test_checks_are_counted_by_the_time_between_them() -> None:
    every_2_s = [Arrival(100 + 2.0 * number, "a") for number in range(10)]
    twice = [Arrival(100 + 1.0 * number, "b") for number in range(10)]
    found = looks_per_interval([*every_2_s, *twice, Arrival(100, "c")], 2)
    assert found == {"a": 1.0, "b": 2.0}


def test_sharing_is_missed_when_one_target_is_asked_twice_and_void_when_one_is_not() -> None:
    def arrivals(interval_s: float) -> list[Arrival]:
        return [
            Arrival(interval_s * number, each) for each in SHARED.everybody for number in range(10)
        ]

    assert sharing(arrivals(SHARED.interval_s)).verdict is Verdict.PASS
    extra = [Arrival(0.5 + 2 * number, "10.30.0.1") for number in range(9)]
    doubled = sharing([*arrivals(SHARED.interval_s), *extra])
    assert doubled.verdict is Verdict.MISS
    assert sharing(arrivals(2.5)).void == "a server was looked at 0.80 times in an interval"
    few = [one for one in arrivals(2) if one.address != "10.30.0.1"]
    assert sharing(few).void == "1 servers were not looked at"


def test_the_cost_is_that_of_all_programs_and_void_with_few_checks() -> None:
    checks = len(MANY.everybody) * 5
    window = Window(5.0, {"haproxy": 0.4, "python": 0.1}, checks)
    made = cost([window, window])
    assert made.value == pytest.approx(10)
    assert made.note == "1000 checks/s; haproxy 8.0, python 2.0"
    assert cost([replace(window, checks=4750)]).value == pytest.approx(10 * 1000 / 950)
    assert cost([replace(window, checks=4000)]).void == "800 checks/s instead of 1000"


SYN = bytes.fromhex(
    "4500003c1c4640004006b1e6c0a802150a1e0005"  # 192.168.2.21 to 10.30.0.5
    "a0481f90000000010000000050020000000000000000"  # to port 8080, SYN
)


def test_only_a_request_for_a_connection_to_the_port_is_a_check() -> None:
    assert asked_for(SYN, 8080) == "10.30.0.5"
    assert asked_for(SYN, 80) is None
    assert asked_for(SYN[:33] + b"\x12" + SYN[34:], 8080) is None, "an answer to one"
    assert asked_for(SYN[:33] + b"\x04" + SYN[34:], 8080) is None, "a reset"
    assert asked_for(SYN[:9] + b"\x11" + SYN[10:], 8080) is None, "UDP"
    assert asked_for(SYN[:30], 8080) is None


def test_ldirectord_gets_the_same_list_and_the_same_times() -> None:
    text = config(replace(SMALL, interval_s=4, timeout_s=3, fall=3), fork=True)
    for line in ("checkinterval = 4", "checktimeout = 3", "failurecount = 3", "fork = yes"):
        assert line in text.splitlines()
    assert re.findall(r"^virtual = (\S+):8080$", text, re.MULTILINE) == list(SMALL.vips)
    assert set(re.findall(r"real = (\S+):8080 masq 100", text)) == SMALL.everybody


def test_the_script_in_the_place_of_ipvsadm_lists_changes_and_writes_down(tmp_path: Path) -> None:
    table = listed(SMALL, ("Masq", "100", "0", "0"))
    (tmp_path / "table").write_text(table)
    (tmp_path / "thresholds").write_text("thresholds\n")
    script = IN_THE_PLACE_OF_IPVSADM.format(folder=tmp_path)

    def ipvsadm(*words: str) -> subprocess.CompletedProcess[str]:
        argv = ["sh", "-c", script, "ipvsadm", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)

    assert ipvsadm("-L", "-n").stdout == table
    assert ipvsadm("-L", "-n", "--thresholds").stdout == "thresholds\n"
    put = ("-e", "-t", "10.20.0.1:8080", "-r", "10.30.0.1:8080", "-m", "-w", "0")
    assert ipvsadm(*put).returncode == 0
    assert ipvsadm("-L", "-n").stdout == table.replace(
        "10.30.0.1:8080 Masq 100", "10.30.0.1:8080 Masq 0"
    )
    [write] = told(tmp_path / "writes")
    assert (write.address, write.weight) == ("10.30.0.1", 0)
    assert ipvsadm("-C").returncode == 2
    assert "nobody expected -C" in ipvsadm("-C").stderr
