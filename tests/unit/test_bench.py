# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' own arithmetic: a figure nobody can recompute is a rumour."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench import __main__ as command
from tests.bench.goals import GOALS, Goal, Sense
from tests.bench.load import Outcome, stuck_in, tcp_counters
from tests.bench.reload import argv_without_reload, judged
from tests.bench.results import Formula, Result, Verdict, percentile, recomputed, save, voided
from tests.bench.runtime import weight_in
from tests.bench.table import number, rendered

NAMES = (
    "l7.reload.failed",
    "l7.apply.ratio",
    "l7.throughput.ratio",
    "l7.runtime.ms",
    "model.check.s",
    "store.commit.ratio",
    "console.paint.s",
    "console.key.ms",
    "console.rss.mb",
    "console.idle.pct",
    "l4.connections.ms",
    "l4.connections.s",
    "l4.connections.mb",
    "health.detect.ratio",
    "health.vs_ldirectord",
    "health.cpu.pct",
    "health.shared",
    "l4.apply.ratio",
    "l4.change.ratio",
    "l4.noop.ratio",
    "l4.apply.vs_keepalived",
    "l4.apply.vs_ldirectord",
    "l4.dr_nat.ratio",
    "health.flip.lost",
    "health.flip.ratio",
    "image.ova.mb",
    "image.boot.ratio",
    "image.boot.s",
    "image.rss.mb",
    "image.ports",
    "image.build.s",
    "image.repro.diff",
)


def result(formula: Formula = Formula.OURS_TO_PEER, **more: Any) -> Result:
    return replace(Result("l7.apply.ratio", formula, [3.0, 1.0, 2.0], [4.0, 8.0, 16.0]), **more)


GOOD = Outcome(
    opened=120_000,
    refused=0,
    answers=119_990,
    errors={"connect": 0, "read": 0, "stuck": 0},
    seconds=20.0,
    p99_ms=20.0,
    max_ms=30.0,
)
LOSSY = replace(GOOD, answers=119_500, errors={"connect": 0, "read": 500, "stuck": 0})


def test_every_figure_to_reach_has_its_goal_and_a_subject_that_measures_it() -> None:
    assert tuple(GOALS) == NAMES
    assert [name for subject in command.SUBJECTS for name in subject.names] == list(NAMES)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        (Formula.OURS_TO_PEER, 0.25),
        (Formula.PEER_TO_OURS, 4),
        (Formula.MEDIAN, 2),
        (Formula.MEAN, 2),
        (Formula.P95, 3),
        (Formula.P99_TO_PEER, 0.375),
        (Formula.WORST, 3),
        (Formula.SUM, 6),
    ],
)
def test_a_value_comes_from_the_samples_and_can_be_recomputed_from_the_file(
    formula: Formula, value: float, tmp_path: Path
) -> None:
    made = result(formula)
    save([made], tmp_path / "results.json", at="now")
    entry = json.loads((tmp_path / "results.json").read_text())["l7.apply.ratio"]
    assert entry["value"] == made.value == recomputed(entry) == value
    assert entry["formula"] == formula.value


def test_an_entry_has_the_promised_fields_and_the_samples_of_both_sides() -> None:
    entry = result(note="quiet machine").entry("2026-01-01T00:00:00+00:00")
    assert {"value", "unit", "goal", "peer", "note"} <= entry.keys()
    assert entry["samples"]["ours"] == [3.0, 1.0, 2.0]
    assert entry["samples"]["peer"] == [4.0, 8.0, 16.0]
    assert (entry["goal"], entry["unit"], entry["note"]) == (1.5, "x", "quiet machine")


def test_a_percentile_is_a_sample_that_so_many_of_100_do_not_exceed() -> None:
    hundred = [float(each) for each in range(100, 0, -1)]
    assert percentile(95, hundred) == 95
    assert percentile(99, hundred[::-1]) == 99
    assert percentile(95, [7.0]) == 7


def test_a_goal_is_met_on_its_own_side_and_exactly_on_it() -> None:
    most = Goal("x", Sense.AT_MOST, 1.5, "x", "none")
    least = Goal("x", Sense.AT_LEAST, 0.97, "x", "none")
    assert [most.met_by(value) for value in (1.4, 1.5, 1.6)] == [True, True, False]
    assert [least.met_by(value) for value in (0.96, 0.97, 0.98)] == [False, True, True]


def test_a_void_result_does_not_pass_however_good_its_value() -> None:
    assert result().verdict is Verdict.PASS
    assert result(void="the control lost nothing").verdict is Verdict.VOID
    assert voided("l7.apply.ratio", "no\n  haproxy").void == "no haproxy"
    assert recomputed(voided("l7.apply.ratio", "no haproxy").entry("now")) is None


def test_a_run_of_some_keeps_the_others_entries_with_the_time_of_theirs(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    save([result(), voided("l7.runtime.ms", "no agent")], path, at="first")
    save([result(Formula.MEDIAN)], path, at="second")
    told = json.loads(path.read_text())
    assert list(told) == ["l7.apply.ratio", "l7.runtime.ms"]
    assert told["l7.apply.ratio"]["at"] == "second"
    assert told["l7.runtime.ms"]["at"] == "first"
    assert told["l7.runtime.ms"]["note"] == "no agent"


def test_the_table_says_value_goal_verdict_and_why_something_is_void() -> None:
    missed = result(ours=[30.0], note="a note")
    told = rendered([result(), missed, voided("l7.runtime.ms", "no agent")])
    lines = [line.split() for line in told.splitlines()]
    assert lines[1] == ["l7.apply.ratio", "0.25", "x", "<=", "1.5", "pass"]
    assert lines[2] == ["l7.apply.ratio", "3.75", "x", "<=", "1.5", "miss"]
    assert lines[3] == ["a", "note"]
    assert lines[4] == ["l7.runtime.ms", "-", "<=", "50", "void"]
    assert lines[5] == ["no", "agent"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.97123, "0.971"), (0, "0"), (28.44, "28.4"), (12345.6, "12346")]
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_names_may_be_beginnings_and_a_wrong_one_is_an_error() -> None:
    assert command.chosen([]) == frozenset(NAMES)
    assert command.chosen(["store", "console.k"]) == {"store.commit.ratio", "console.key.ms"}
    with pytest.raises(ValueError, match=r"l8: there are only l7\.reload"):
        command.chosen(["l8"])


def test_a_subject_that_breaks_is_void_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = command.Subject("nowhere", ("l7.apply.ratio", "l7.runtime.ms"))
    monkeypatch.setattr(command, "SUBJECTS", (broken,))
    results = command.run(frozenset({"l7.runtime.ms"}))
    assert [one.verdict for one in results] == [Verdict.VOID, Verdict.VOID]
    assert "nowhere" in capsys.readouterr().err


def test_a_load_adds_up_when_only_what_was_under_way_is_missing() -> None:
    assert GOOD.adds_up
    assert not replace(GOOD, answers=119_000).adds_up
    assert not replace(GOOD, answers=120_001).adds_up
    assert LOSSY.failed == 500
    assert LOSSY.adds_up


def test_reloads_without_a_loss_count_only_beside_a_control_that_loses() -> None:
    good = judged(GOOD, LOSSY, workers=21, answered=119_990)
    assert (good.value, good.verdict) == (0, Verdict.PASS)
    lossy = judged(LOSSY, LOSSY, workers=21, answered=119_990)
    assert (lossy.value, lossy.verdict) == (500, Verdict.MISS)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"control": GOOD}, "the control failed only 0"),
        ({"applied": replace(GOOD, opened=99_000, answers=98_990)}, "only 99000 connections"),
        ({"applied": replace(GOOD, answers=100_000)}, "kernel and wrk disagree"),
        ({"answered": 119_000}, "the servers gave only 119000 answers"),
        ({"workers": 20}, "only 20 workers"),
    ],
)
def test_reloads_are_void_when_the_run_proves_nothing(changes: dict[str, object], why: str) -> None:
    sides: dict[str, Any] = {
        "applied": GOOD,
        "control": LOSSY,
        "workers": 21,
        "answered": 119_990,
    } | changes
    made = judged(**sides)
    assert made.verdict is Verdict.VOID
    assert why in made.void


def test_the_control_starts_haproxy_as_it_was_started_first() -> None:
    first = ["haproxy", "-W", "-S", "m.sock", "-f", "haproxy.cfg"]
    assert argv_without_reload([*first, "-sf", "12", "13", "-x", "sockpair@4"]) == first
    assert argv_without_reload(first) == first


def test_the_kernels_tcp_counters_are_read_by_name() -> None:
    text = "Ip: A B\nIp: 1 2\nTcp: ActiveOpens AttemptFails\nTcp: 70 3\nUdp: X\nUdp: 0\n"
    assert tcp_counters(text) == {"ActiveOpens": 70, "AttemptFails": 3}


def test_a_socket_is_stuck_when_it_has_neither_sent_nor_heard_for_seconds() -> None:
    told = (
        "0 0 1.1.1.1:1 2.2.2.2:80\n\t cubic lastsnd:2500 lastrcv:2600 lastack:2500\n"
        "0 0 1.1.1.1:2 2.2.2.2:80\n\t cubic lastsnd:2500 lastrcv:10 lastack:10\n"
        "0 0 1.1.1.1:3 2.2.2.2:80\n\t cubic lastsnd:9000\n"
    )
    assert stuck_in(told) == 2


def test_a_servers_weight_is_read_by_the_name_of_its_column() -> None:
    states = "1\n# be_id be_name srv_id srv_name srv_uweight\n7 vs7 3 rs3 55\n7 vs7 4 rs4 1\n\n"
    assert weight_in(states, 3) == 55
    with pytest.raises(ValueError, match="rs9"):
        weight_in(states, 9)
