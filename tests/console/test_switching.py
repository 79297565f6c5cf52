# SPDX-License-Identifier: Apache-2.0
"""Halt, drain, online: they count what they drop, offer the milder way and default to No."""

from __future__ import annotations

import pytest

from services.api import AccessRole
from services.errors import ApplyFailed
from services.model import Document, ServerState
from tests.console.stage import stage
from tests.fakes import scenes
from tests.fakes.scenes import FTP, RDS, WEB


def state(document: Document, service: int, server: int) -> ServerState:
    return next(
        found.state
        for owner in document.cluster.layer7
        if owner.id == service
        for found in owner.servers
        if found.id == server
    )


async def test_halting_tells_how_many_connections_it_drops_and_the_default_is_no() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "h")
        await on.see("Halt web1 in VIP web-http?", "402 connections now are dropped at once.")
        await on.press("enter")
        await on.see("Nothing was changed.")
        assert fake.calls == []


async def test_halt_happens_at_once_and_without_a_draft() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "h")
        await on.see("Yes, halt")
        await on.press("y")
        await on.see("web-http/web1: halted.")
        assert state(fake.running, WEB, 1) is ServerState.HALT
        assert fake.calls == ["set_servers"]
        assert "HALT" in on.line("web1 ")


async def test_the_milder_choice_drains_instead() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "h")
        await on.see("Drain instead")
        await on.press("left", "enter")
        await on.see("web-http/web1: draining.")
        assert state(fake.running, WEB, 1) is ServerState.DRAIN


async def test_draining_drops_nothing_and_says_so() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "d")
        await on.see("No connection is dropped.", "402 connections now may end by themselves.")
        await on.press("y")
        await on.see("web-http/web1: draining.")


async def test_online_brings_a_halted_server_back() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press(*["down"] * 7, "o")
        await on.see("Bring online rds3 in VIP rds?")
        await on.press("y")
        await on.see("rds/rds3: online.")
        assert state(fake.running, RDS, 6) is ServerState.ONLINE


async def test_a_service_row_means_all_its_servers_with_their_sum() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("h")
        await on.see("Halt 3 servers of VIP web-http?", "1204 connections now are dropped")
        await on.press("escape")
        await on.see("Nothing was changed.")


async def test_the_last_healthy_server_needs_the_services_name_typed() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press(*["down"] * 5, "h")
        await on.see("Halt rds1 in VIP rds?")
        await on.press("y")
        await on.see("no healthy real server answers for rds", "Type rds to go on")
        await on.type("web")
        await on.press("enter")
        await on.see("This is not rds; nothing was done.")
        assert fake.calls == []
        await on.press("ctrl+u")
        await on.type("rds")
        await on.press("enter")
        await on.see("rds/rds1: halted.")
        assert state(fake.running, RDS, 4) is ServerState.HALT


async def test_draining_the_last_healthy_server_asks_as_well_and_escape_leaves_it() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press(*["down"] * 5, "d")
        await on.see("Yes, drain")
        await on.press("y")
        await on.see("Type rds to go on")
        await on.press("escape")
        await on.see("Nothing was changed.")
        assert fake.calls == []


async def test_the_last_healthy_server_of_a_layer_4_service_asks_as_well() -> None:
    fake = scenes.layer4()
    async with stage(fake) as on:
        await on.press("down", "h", "y")
        await on.see("shop/shop1: halted.")
        for keys, label in ((("d", "y"), "shop"), (("down", "h", "y"), "names")):
            await on.press("down", *keys)
            await on.see(f"no healthy real server answers for {label}", f"Type {label} to go on")
            await on.press("escape")
            await on.see("Nothing was changed.")
        await on.press("h", "y")
        await on.type("names")
        await on.press("enter")
        await on.see("names/dns1: halted.")
        assert fake.calls == ["set_servers"] * 2


async def test_a_whole_layer_4_service_asks_as_well() -> None:
    fake = scenes.layer4()
    async with stage(fake) as on:
        await on.press("d", "y")
        await on.see("Type shop to go on")
        await on.press("escape")
        assert fake.calls == []


async def test_a_machine_is_switched_in_all_services_as_one_change() -> None:
    fake = scenes.layer4()
    both = fake.running.cluster.layer4
    dns = both[1].servers[0].model_copy(update={"id": 9, "label": "shop3"})
    shop = both[0].model_copy(update={"servers": (*both[0].servers, dns)})
    cluster = fake.running.cluster.model_copy(update={"layer4": (shop, both[1])})
    fake.running = fake.running.model_copy(update={"cluster": cluster})
    async with stage(fake) as on:
        await on.press("down", "enter")
        await on.see("Have the doctor")
        assert "whole machine" not in on.text()
        await on.press("escape", "down", "down", "enter")
        await on.see("shop/shop3", "a  Switch the whole machine: 2 servers of its address")
        await on.press("a")
        await on.see("192.168.1.160 in all services", "d  Drain: it finishes its connections")
        await on.press("h")
        await on.see("Halt 192.168.1.160 in all services?", "shop/shop3, names/dns1.")
        await on.press("y")
        await on.see("no healthy real server answers for names", "Type names to go on")
        await on.type("names")
        await on.press("enter")
        await on.see("2 servers: halted.")
        states = [
            server.state
            for service in fake.running.cluster.layer4
            for server in service.servers
            if server.label in {"shop3", "dns1"}
        ]
        assert states == [ServerState.HALT] * 2
        assert fake.calls == ["set_servers"]


async def test_several_services_left_without_a_server_are_asked_about_once() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("space", *["down"] * 3, "space", "h")
        await on.see("Yes, halt")
        await on.press("y")
        await on.see("2 services are left without a server", "answers for web-http, rds.")
        await on.type("2")
        await on.press("enter")
        await on.see("5 servers: halted.")
        assert fake.calls == ["set_servers"]


async def test_marked_rows_are_switched_together() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "space", "space", "d")
        await on.see("Drain 2 marked servers?", "803 connections now may end")
        await on.press("y")
        await on.see("2 servers: draining.")
        assert state(fake.running, WEB, 1) is state(fake.running, WEB, 2) is ServerState.DRAIN
        assert fake.calls == ["set_servers"]  # one change, one way back
        await on.gone("marked")


async def test_what_is_in_that_state_already_is_left_alone() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("end", "d")
        await on.see("Already draining.")
        assert state(fake.running, FTP, 8) is ServerState.DRAIN
        assert fake.calls == []


async def test_draining_instead_is_offered_only_for_servers_that_are_online() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("end", "h")
        await on.see("Halt ftp1 in VIP ftp?", "3 connections now are dropped at once.")
        assert "Drain instead" not in on.text()
        assert "Drain keeps" not in on.text()
        await on.press("escape")
        # beside one which is online, the draining one stays as it is and so does the halted one
        await on.press("space", "home", "down", "space", *["down"] * 6)
        assert "rds3" in on.line("rds3")
        await on.press("h")
        await on.see("Halt 2 marked servers?", "web-http/web1, ftp/ftp1.")
        await on.press("d")
        await on.see("web-http/web1: draining.")
        assert state(fake.running, RDS, 6) is ServerState.HALT


async def test_draining_a_service_leaves_a_halted_server_halted() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press(*["down"] * 4, "d")
        await on.see("Drain 2 servers of VIP rds?", "rds/rds1, rds/rds2.")
        await on.press("y")
        await on.see("Type rds to go on")
        await on.type("rds")
        await on.press("enter")
        await on.see("2 servers: draining.")
        assert state(fake.running, RDS, 6) is ServerState.HALT
        await on.refreshed()
        await on.press("d")
        await on.see("Already offline; h and d on a server's own row")


@pytest.mark.parametrize("hide", ["left", "slash"])
async def test_marks_count_where_one_does_not_see_them_and_the_question_names_them(
    hide: str,
) -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "space", "space", hide)
        if hide == "slash":
            await on.type("mx1")
            await on.press("enter")
        await on.gone("web2")
        await on.see("2 marked")
        await on.press("h")
        await on.see("Halt 2 marked servers?", "web-http/web1, web-http/web2.", "803 connections")
        await on.press("y")
        await on.see("2 servers: halted.")
        assert state(fake.running, WEB, 3) is ServerState.ONLINE


async def test_a_mark_of_something_that_is_gone_counts_for_nothing() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("end", "space")
        await on.see("1 marked")
        kept = [service for service in fake.running.cluster.layer7 if service.id != FTP]
        cluster = fake.running.cluster.model_copy(update={"layer7": tuple(kept)})
        fake.somebody_applies(fake.running.model_copy(update={"cluster": cluster}))
        await on.refreshed()
        await on.gone("marked")
        await on.press("home", "down", "d")
        await on.see("Drain web1 in VIP web-http?")


async def test_a_service_without_servers_has_nothing_to_switch() -> None:
    fake = scenes.small()
    bare = fake.running.cluster.layer7[0].model_copy(update={"servers": ()})
    cluster = fake.running.cluster.model_copy(update={"layer7": (bare,)})
    fake.running = fake.running.model_copy(update={"cluster": cluster})
    async with stage(fake) as on:
        await on.press("h")
        await on.see("It has no real server yet: n makes one.")


async def test_a_refusal_of_the_appliance_is_told_with_its_remedy() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        fake.refusal = ApplyFailed("HAProxy did not take it.", do="Look in its log.")
        await on.press("down", "h")
        await on.see("Yes, halt")
        await on.press("y")
        await on.see("HAProxy did not take it. Look in its log.")


@pytest.mark.parametrize("key", ["h", "d", "o"])
async def test_a_viewer_is_told_that_the_account_may_only_look(key: str) -> None:
    fake = scenes.small(role=AccessRole.VIEWER, user="guest")
    async with stage(fake) as on:
        await on.press("down", key)
        await on.see("The account guest may look, but not do that.")
        assert fake.calls == []


async def test_an_operator_may_drain_but_not_edit() -> None:
    fake = scenes.small(role=AccessRole.OPERATOR, user="night")
    async with stage(fake) as on:
        await on.press("down", "e")
        await on.see("The account night may look, but not do that.")
        await on.press("d")
        await on.see("Yes, drain")
        await on.press("y")
        await on.see("web-http/web1: draining.")


async def test_the_action_menu_of_a_row_offers_its_verbs_with_their_letters() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "enter")
        await on.see("web-http/web1", "h  Halt", "d  Drain", "x  Delete")
        await on.press("down", "down", "enter")
        await on.see("Halt web1 in VIP web-http?")
        await on.press("escape")
        await on.see("Nothing was changed.")
        await on.press("enter")
        await on.see("o  Online")
        await on.press("d")
        await on.see("Drain web1 in VIP web-http?")
