# SPDX-License-Identifier: Apache-2.0
"""Names, units and goals, written once: the table, the file and the subjects read them here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Sense(StrEnum):
    """On which side of its goal a value is good."""

    AT_MOST = "<="
    AT_LEAST = ">="


@dataclass(frozen=True)
class Goal:
    """What a benchmark is to reach."""

    name: str
    sense: Sense
    limit: float
    unit: str
    peer: str
    """What the value is compared with, in words."""

    def met_by(self, value: float) -> bool:
        """Whether `value` is good enough."""
        return value <= self.limit if self.sense is Sense.AT_MOST else value >= self.limit


_ALL = (
    Goal(
        "l7.reload.failed",
        Sense.AT_MOST,
        0,
        "connections",
        "20 stops and starts of HAProxy with the same file under the same load",
    ),
    Goal(
        "l7.apply.ratio",
        Sense.AT_MOST,
        1.5,
        "x",
        "`haproxy -c` and a bare reload of the same file, until the new worker answers",
    ),
    Goal(
        "l7.throughput.ratio",
        Sense.AT_LEAST,
        0.97,
        "x",
        "CPU seconds per request of HAProxy with a minimal file written by hand",
    ),
    Goal("l7.runtime.ms", Sense.AT_MOST, 50, "ms", "none"),
    Goal("model.check.s", Sense.AT_MOST, 2, "s", "none"),
    Goal(
        "store.commit.ratio",
        Sense.AT_MOST,
        3,
        "x",
        "write, fsync and rename of the same bytes",
    ),
    Goal("console.paint.s", Sense.AT_MOST, 1.2, "s", "none"),
    Goal("console.key.ms", Sense.AT_MOST, 100, "ms", "none"),
    Goal("console.rss.mb", Sense.AT_MOST, 70, "MB", "none"),
    Goal("console.idle.pct", Sense.AT_MOST, 1, "% of a core", "none"),
    Goal("l4.connections.ms", Sense.AT_MOST, 100, "ms", "none"),
    Goal("l4.connections.s", Sense.AT_MOST, 5, "s", "none"),
    Goal("l4.connections.mb", Sense.AT_MOST, 50, "MB", "none"),
    Goal(
        "health.detect.ratio",
        Sense.AT_MOST,
        1.15,
        "x",
        "what the settings allow: interval + fast interval + the time limits of the failing checks",
    ),
    Goal("health.vs_ldirectord", Sense.AT_MOST, 0.05, "x", "ldirectord with the same list"),
    Goal("health.cpu.pct", Sense.AT_MOST, 15, "% of a core", "none"),
    Goal("health.shared", Sense.AT_MOST, 1.02, "checks", "one for each target and interval"),
    Goal("l4.apply.ratio", Sense.AT_MOST, 1, "x", "`ipvsadm -R` of the same lines"),
    Goal("l4.change.ratio", Sense.AT_MOST, 1.5, "x", "the same with a hundredth of the entries"),
    Goal("l4.noop.ratio", Sense.AT_MOST, 1.5, "x", "`ipvsadm -Sn`"),
    # nobody has said how much faster they should be; slower would be no reason to have them
    Goal("l4.apply.vs_keepalived", Sense.AT_MOST, 1, "x", "keepalived, to the same table"),
    Goal("l4.apply.vs_ldirectord", Sense.AT_MOST, 1, "x", "ldirectord, to the same table"),
    # 0.8 times the packets that IPVS handles by the one and by the other: a gain is due to nothing
    # else, and what receives segments together takes most of what is saved on the wire
    Goal("l4.dr_nat.ratio", Sense.AT_LEAST, 1.2, "x", "NAT"),
    Goal("health.flip.lost", Sense.AT_MOST, 0, "servers", "none"),
    Goal(
        "health.flip.ratio",
        Sense.AT_MOST,
        1,
        "x",
        "what the checks' settings allow and 1.2 times `ipvsadm -R` of the same lines",
    ),
    Goal("image.ova.mb", Sense.AT_MOST, 450, "MB", "none"),
    Goal(
        "image.boot.ratio",
        Sense.AT_MOST,
        1.3,
        "x",
        "the same disk with a plain getty in the place of everything of ours",
    ),
    Goal("image.boot.s", Sense.AT_MOST, 60, "s", "none"),
    Goal("image.rss.mb", Sense.AT_MOST, 350, "MB", "none"),
    Goal("image.ports", Sense.AT_MOST, 0, "beside SSH", "none"),
    Goal("image.build.s", Sense.AT_MOST, 480, "s", "none"),
    Goal("image.repro.diff", Sense.AT_MOST, 0, "bytes", "the same manifest built elsewhere"),
)

GOALS = {goal.name: goal for goal in _ALL}
"""Every benchmark by name, in the order of the table."""
