# SPDX-License-Identifier: Apache-2.0
"""Rules written for ipvsadm make what our apply makes, and what ipvsadm saves comes back."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from services.drivers.ipvs import KernelIpvs
from services.exchange import Imported, read_ipvsadm, write_ipvsadm
from services.exchange.names import Labels
from services.model import Cluster, Document
from services.plan.ipvs import IpvsSeen, IpvsWanted, Table
from services.plan.ipvs_planner import plan_ipvs
from services.reading import read_document
from services.render.ipvs import ipvs_wanted
from tests.kernel.guest.hands import ipvsadm
from tests.netns import inside
from tests.tree import ROOT

EVERYTHING = ROOT / "tests" / "golden" / "render" / "layer4" / "document.yaml"
SAVED = ROOT / "tests" / "golden" / "exchange" / "ipvsadm-saved"
MARKS = {7: [ip_address("192.0.2.20"), ip_address("2001:db8::20")]}


def document(path: Path) -> Document:
    return read_document(path.read_bytes(), name=path.name)


def imported(rules: str) -> Imported:
    return read_ipvsadm(rules, marks=MARKS, labels=Labels())


async def applied(table: Table) -> tuple[str, Table]:
    """What ipvsadm and our driver say of a table that we wrote into an empty kernel."""
    kernel = KernelIpvs()
    assert await kernel.write(plan_ipvs(IpvsWanted(table), IpvsSeen())) == ()
    return ipvsadm("-Sn"), await seen(kernel)


async def restored(rules: str) -> tuple[str, Table]:
    """The same of rules that ipvsadm has loaded into an empty kernel."""
    ipvsadm("-R", stdin=rules)
    return ipvsadm("-Sn"), await seen(KernelIpvs())


async def seen(kernel: KernelIpvs) -> Table:
    found = await kernel.seen()
    assert found is not None
    return found.table


def test_rules_that_were_written_make_what_an_apply_makes() -> None:
    table = ipvs_wanted(document(EVERYTHING)).table
    saved, ours = inside(applied, table)
    assert ours == table
    rules = write_ipvsadm(table)
    assert inside(restored, rules) == (saved, ours)
    assert len(saved.splitlines()) == len(rules.splitlines())


def test_what_ipvsadm_saves_is_the_document_that_was_applied() -> None:
    wanted = document(SAVED / "document.yaml")
    saved, _ = inside(applied, ipvs_wanted(wanted).table)
    back = imported(saved)
    assert back.leftovers == ()
    assert Document(cluster=Cluster(layer4=back.services)) == wanted
    assert saved == (SAVED / "ipvsadm").read_text(), "the folder is what ipvsadm really writes"


def test_names_in_the_place_of_numbers_are_read_as_far_as_they_go() -> None:
    wanted = document(SAVED / "document.yaml")

    async def by_name() -> str:
        await applied(ipvs_wanted(wanted).table)
        return ipvsadm("-S")

    saved = inside(by_name)
    back = imported(saved)
    told = {each.first for each in back.leftovers}
    assert told == set(), saved
    assert Document(cluster=Cluster(layer4=back.services)) == wanted
