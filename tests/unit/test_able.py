# SPDX-License-Identifier: Apache-2.0
"""What a machine lacks for a configuration is told whole, with the remedy."""

from __future__ import annotations

import pytest

from services import able
from services.errors import Refused
from services.model import Document
from services.plan.ipvs import IpvsSeen
from services.plan.state import Seen, Wanted
from services.render import Place
from services.wanted import wanted
from tests.fakes.ipvs import SCHEDULERS, FakeIpvs


def asked(scheduler: str = "wlc", ports: str = "80") -> Wanted:
    service = {
        "id": 7,
        "label": "shop",
        "addresses": ["192.168.2.110"],
        "ports": ports,
        "scheduler": scheduler,
        "mark": 65_536 if "," in ports else 0,
        "servers": [{"id": 8, "label": "shop1", "address": "192.168.2.101"}],
    }
    return wanted(Document.model_validate({"cluster": {"layer4": [service]}}), Place())


def told(found: Wanted, seen: Seen) -> str:
    return " ".join(f"{problem.what} {problem.do}" for problem in able.lacks(found, seen))


def test_a_machine_with_all_of_it_lacks_nothing() -> None:
    assert told(asked(ports="80,443"), Seen()) == ""
    assert told(wanted(Document(), Place()), Seen(ipvs=None, rules=None)) == ""


def test_everything_that_is_missing_is_told_at_once() -> None:
    words = told(asked(ports="80,443"), Seen(ipvs=None, rules=None))
    assert "no IPVS" in words
    assert "module ip_vs loaded" in words
    assert "has no nftables" in words
    assert "nftables" not in told(asked(), Seen(ipvs=None, rules=None))


async def test_a_scheduler_that_the_kernel_lacks_is_named_with_its_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.fakes.ipvs.SCHEDULERS", SCHEDULERS - {"mh"})
    [problem] = await able.schedulers(FakeIpvs(), asked("mh"), Seen())
    assert "no scheduler mh, which layer 4 service tcp 192.168.2.110:80 asks for" in problem.what
    assert "modprobe ip_vs_mh" in problem.do
    with pytest.raises(Refused, match="no scheduler mh"):
        able.require([problem])
    assert await able.schedulers(FakeIpvs(), asked("wlc"), Seen()) == []
    assert await able.schedulers(FakeIpvs(loaded=False), asked("mh"), Seen(ipvs=None)) == ()


async def test_a_scheduler_in_use_is_not_asked_about_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.fakes.ipvs.SCHEDULERS", SCHEDULERS - {"mh"})
    there = Seen(ipvs=IpvsSeen(table=asked("mh").ipvs.table))
    assert await able.schedulers(FakeIpvs(), asked("mh", ports="81"), there) == []
