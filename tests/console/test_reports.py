# SPDX-License-Identifier: Apache-2.0
"""Reports of layer 4: what it carries, who is connected, and who is to blame where it hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from console.connection_words import asked
from services.api import AccessRole
from services.api_reports import ConnectionQuery, Connections
from services.model import Document
from tests.console.stage import Stage, stage
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.fakes.ipvs_conn import FakeConnections, entry

WEB, SHOP1, SHOP2 = "192.168.1.104:80", "192.168.1.150:80", "192.168.1.151:80"


@asynccontextmanager
async def connections(fake: ScriptedAppliance) -> AsyncIterator[Stage]:
    async with stage(fake) as on:
        await on.press("6", "3")
        await on.see("read, by state")
        yield on


async def test_layer_4_status_shows_counters_and_rates() -> None:
    async with stage(scenes.layer4()) as on:
        await on.press("6", "2")
        await on.see("shop2", "Conns")
        assert on.line("shop2").split()[-7:] == ["402", "220", "41k", "1.2M", "0", "93M", "0"]
        await on.press("t")
        await on.see("Con/s")
        assert on.line("names").split()[-5:] == ["5", "5", "5", "350", "990"]


async def test_layer_4_status_shows_both_side_by_side_where_there_is_room() -> None:
    async with stage(scenes.layer4(), size=(132, 43)) as on:
        await on.press("6", "2")
        await on.see("shop2", "Conns", "Con/s")


async def test_layer_4_status_shows_addresses_of_ipv6_as_they_are_typed() -> None:
    fake = scenes.layer4()
    wanted = fake.running.model_dump(mode="json")
    names = wanted["cluster"]["layer4"][1]
    names["addresses"] = ["2001:db8::105"]
    names["servers"][0] |= {"address": "2001:db8::160", "port": 5353}
    fake.running = Document.model_validate(wanted)
    async with stage(fake, size=(132, 43)) as on:
        await on.press("6", "2")
        await on.see("[2001:db8::105]:53", "[2001:db8::160]:5353")


async def test_where_handshakes_pile_up_the_rows_are_marked_and_the_cause_is_told() -> None:
    async with connections(scenes.layer4()) as on:
        await on.see("shop/shop1: 6 in SYN_RECV: ARP problem?")
        assert on.text().count("SYN_RECV!") == 6
        await on.press("enter")
        await on.see("has no 192.168.1.104 on its loopback")
        await on.press("escape")
        await on.see("read, by state")


async def test_totals_lead_to_a_servers_connections() -> None:
    async with connections(scenes.layer4()) as on:
        await on.press("t")
        await on.see("Waiting")
        assert on.line("shop1").split()[-2:] == ["6", "6!"]
        await on.press("down", "enter")
        await on.see("1-21 of 21, 29 read")
        await on.gone("SYN_RECV!")


async def test_a_filter_is_the_agents_and_escape_takes_it_away() -> None:
    async with connections(scenes.layer4()) as on:
        await on.press("slash")
        await on.type("client=203.0.113.4 established")
        await on.press("enter")
        await on.see("1-1 of 1, 29 read")
        assert "203.0.113.4:50004" in on.text()
        await on.press("escape")
        await on.see("1-29 of 29")
        await on.press("escape")
        await on.see("Layer 4 status")


async def test_a_filter_that_is_refused_says_why_and_the_next_one_works() -> None:
    async with connections(scenes.layer4()) as on:
        await on.press("slash")
        await on.type("client=shop1")
        await on.press("enter")
        await on.see("neither an address nor a network")
        await on.press("slash", "ctrl+u")
        await on.type("shop1")
        await on.press("enter")
        await on.see("1-6 of 6")


async def test_sorting_and_turning_round_are_the_agents() -> None:
    async with connections(scenes.layer4()) as on:
        await on.press("s")
        await on.see("by client:")
        assert on.text().splitlines()[3].split()[0] == "198.51.100.7:5353"
        await on.press("S")
        await on.until(lambda: on.text().splitlines()[3].split()[0] == "203.0.113.20:50020")


async def test_pages_follow_each_other_and_end() -> None:
    lines = [entry(f"203.0.113.9:{n}", WEB, SHOP2, "ESTABLISHED", n) for n in range(1, 451)]
    async with connections(scenes.layer4(table=FakeConnections(lines))) as on:
        await on.see("1-200 of 450")
        await on.press("n")
        await on.see("201-400 of 450")
        assert on.text().splitlines()[3].split()[0] == "203.0.113.9:201"
        await on.press("n")
        await on.see("401-450 of 450")
        await on.press("n")
        await on.see("These are the last ones.")
        await on.press("b")
        await on.see("201-400 of 450")


class Slow(ScriptedAppliance):
    """Takes its time for a list of connections, and counts how often it is asked."""

    asked = 0
    pause_s = 0.0

    async def current_connections(self, query: ConnectionQuery) -> Connections:
        self.asked += 1
        await asyncio.sleep(self.pause_s)
        return await super().current_connections(query)


async def test_while_the_list_is_read_the_console_answers_and_does_not_ask_twice() -> None:
    small = scenes.layer4()
    fake = Slow(running=small.running, table=small.table)
    fake.pause_s = 30
    async with stage(fake) as on:
        await on.press("6", "3")
        await on.see("Reading ...")
        for _ in range(3):
            await on.refreshed()
        assert fake.asked == 1
        await on.press("s")
        await on.until(lambda: fake.asked == 2)
        for _ in range(3):
            await on.refreshed()
        assert fake.asked == 2, "a question that was given up is no end of the one after it"
        await on.press("f2")
        await on.see("Main menu")


async def test_what_could_not_be_read_whole_says_so() -> None:
    table = FakeConnections([entry("203.0.113.9:1", WEB, SHOP2, "ESTABLISHED", 9)], whole=False)
    async with connections(scenes.layer4(table=table)) as on:
        await on.see("1+ read", "A random part of the entries")


async def test_hostile_lines_are_drawn_as_text() -> None:
    lines = [
        b"TCP CB007109 C350 C0A80168 0050 C0A80197 0050 \x1b[31m[/x]\xff 899",
        b"[b]\x07 CB007109 C350 C0A80168 0050 C0A80197 0050 " + b"X" * 400 + b" 1",
    ]
    async with connections(scenes.layer4(table=FakeConnections(lines))) as on:
        await on.press("enter")
        await on.see("State", "Close")


async def test_who_may_only_look_sees_them() -> None:
    async with connections(scenes.layer4(role=AccessRole.VIEWER)) as on:
        await on.see("SYN_RECV!")


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("web 192.0.2.1", {"words": "web 192.0.2.1"}),
        ("State=SYN_RECV server=web1", {"state": "SYN_RECV", "server": "web1"}),
        ("colour=red", {"words": "colour=red"}),
    ],
)
def test_what_is_typed_becomes_a_question(text: str, fields: dict[str, str]) -> None:
    assert {name: value for name, value in asked(text).items() if value} == fields
