# SPDX-License-Identifier: Apache-2.0
"""System Overview: the guide's colours as words, folding, sorting, filter, marks, live figures."""

from __future__ import annotations

import pytest

from services.api import Health
from services.model import Document
from tests.console.stage import Stage, stage
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.fakes.scenes import FTP, RDS, SMTP, WEB


async def test_every_service_and_server_has_a_row_with_its_word() -> None:
    async with stage(scenes.small()) as on:
        rows = (await on.see("web-http")).splitlines()[4:16]
        words = [row[1:8].strip() for row in rows]
        assert words == [
            *("UP", "UP", "UP", "UP"),
            *("WARN", "UP", "DOWN", "HALT"),
            *("DOWN", "DOWN"),
            *("OFF", "DRAIN"),
        ]


async def test_a_draining_server_shows_the_connections_that_remain() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        assert on.line("ftp1").split()[-2] == "3"
        fake.connections[FTP, 8] = 1
        await on.refreshed()
        assert on.line("ftp1").split()[-2] == "1"


async def test_a_server_that_fails_turns_its_service_yellow_and_the_last_one_red() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        fake.down[WEB, 1] = "connection refused"
        await on.refreshed()
        assert "WARN" in on.line("web-http")
        fake.down |= {(WEB, 2): "connection refused", (WEB, 3): "connection refused"}
        await on.refreshed()
        assert "DOWN" in on.line("web-http")


async def test_the_notice_line_tells_why_the_row_under_the_cursor_is_down() -> None:
    async with stage(scenes.small()) as on:
        await on.press(*["down"] * 6)
        await on.see("rds/rds2: connection refused")


async def test_what_is_wrong_with_the_unit_stands_above_its_services_until_it_is_not() -> None:
    fake = scenes.small(notices=(f"Revision 9 is broken, 8 was loaded. {'words ' * 60}",))
    async with stage(fake) as on:
        text = await on.see("! Revision 9 is broken, 8 was loaded.", "web-http")
        gauges, *alarms, heading = text.splitlines()[2:7]
        assert gauges.startswith("CPU")
        assert [line.split()[0] for line in alarms] == ["!", "words", "words"], "and no more"
        assert heading.split()[0] == "Health"
        fake.notices = ()
        await on.refreshed()
        assert "Revision 9" not in on.text()
        assert on.text().splitlines()[3].split()[0] == "Health"


async def test_servers_fold_away_and_stay_folded_while_elsewhere() -> None:
    async with stage(scenes.small()) as on:
        await on.press("left")
        await on.gone("web1")
        assert "+ web-http" in on.text()
        await on.press("f2")
        await on.see("Main menu")
        await on.press("escape")
        await on.see("+ web-http")
        assert "web1" not in on.text()
        await on.press("right")
        await on.see("web1")


@pytest.mark.parametrize(("fold", "unfold"), [("left", "right"), ("minus", "plus")])
async def test_folding_on_a_server_folds_its_service(fold: str, unfold: str) -> None:
    async with stage(scenes.small()) as on:
        await on.press("p", "down", "down", fold)
        await on.gone("web1")
        assert "web-http: healthy" in on.text().splitlines()[-2], "about the row under the cursor"
        await on.press(unfold)
        await on.see("web1", "web2", "web3")


async def test_sorting_goes_through_the_columns_and_turns_round() -> None:
    async with stage(scenes.small()) as on:

        def services() -> list[str]:
            rows = on.text().splitlines()[4:16]
            return [row[11:30].split()[0] for row in rows if row[9:11].strip()]

        assert services() == ["web-http", "rds", "smtp", "ftp"]
        await on.press("s")
        assert services() == ["smtp", "rds", "ftp", "web-http"]
        assert "Health▼" in on.text()
        await on.press("s")
        assert services() == ["ftp", "rds", "smtp", "web-http"]
        await on.press("p", "S")
        assert services() == ["web-http", "smtp", "rds", "ftp"]
        assert "Name▲" in on.text()
        await on.press("s", "s")
        assert services() == ["web-http", "rds", "ftp", "smtp"]
        assert "Conns▼" in on.text()


async def test_the_filter_narrows_while_typing_and_escape_clears_it() -> None:
    async with stage(scenes.small()) as on:
        await on.press("slash")
        await on.type("rds")
        await on.gone("web-http")
        assert "rds1" in on.text()
        await on.press("enter", "down")
        await on.press("escape")
        await on.see("web-http", "smtp")


async def test_a_filter_that_nothing_matches_does_not_say_that_there_is_nothing() -> None:
    async with stage(scenes.small()) as on:
        await on.press("slash")
        await on.type("[/x]")
        await on.see("Nothing has these words: Esc takes the filter away.")
        assert "No virtual service" not in on.text()
        await on.press("enter", "h", "e", "x", "space", "l", "left", "enter", "escape")
        await on.see("web-http", "smtp")
        assert on.fake.calls == []


async def test_the_filter_finds_a_server_by_address_and_shows_its_service() -> None:
    async with stage(scenes.small()) as on:
        await on.press("slash")
        await on.type("1.121")
        await on.gone("web-http", "rds1")
        assert "rds2" in on.text()
        assert "- rds " in on.text()


async def test_letters_typed_into_the_filter_are_no_commands() -> None:
    async with stage(scenes.small()) as on:
        await on.press("slash")
        await on.type("qhdx1")
        await on.see("Filter", "qhdx1")
        assert on.fake.calls == []


async def test_space_marks_rows_and_the_totals_count_them() -> None:
    async with stage(scenes.small()) as on:
        await on.press("down", "space", "space")
        await on.see("2 marked")
        assert on.line("web1").startswith("*")
        await on.press("escape")
        await on.gone("marked")


async def test_the_refresh_can_be_slowed_quickened_and_paused() -> None:
    async with stage(scenes.small()) as on:
        await on.press("greater_than_sign")
        await on.see("refresh 1s")
        await on.press("less_than_sign", "less_than_sign")
        await on.see("refresh 5s")
        await on.press("p")
        await on.see("paused", "refresh paused: p resumes")
        on.fake.connections[WEB, 1] = 77
        await on.press("r")
        await on.see(" 77 ")
        await on.press("p")
        await on.see("refresh 5s")


async def test_a_wide_terminal_shows_more_columns() -> None:
    async with stage(scenes.small(), size=(132, 43)) as on:
        await on.see("Total", "Check", "Since", "3ms", "21,1000-1010")


async def test_an_empty_appliance_says_how_to_begin() -> None:
    async with stage(ScriptedAppliance(running=Document())) as on:
        await on.see("No virtual service to show: n makes one.", "0 VIPs | 0 RIPs")


async def test_a_thousand_rows_keep_the_cursor_on_its_row_while_others_come_and_go() -> None:
    fake = scenes.crowd(1000)
    async with stage(fake) as on:
        await on.press("end")
        await on.press("up")
        last = on.app.screen.query_one("#rows").current.label  # type: ignore[attr-defined]
        services = fake.running.cluster.layer7
        cluster = fake.running.cluster.model_copy(update={"layer7": services[5:]})
        fake.somebody_applies(fake.running.model_copy(update={"cluster": cluster}))
        await on.refreshed()
        assert on.app.screen.query_one("#rows").current.label == last  # type: ignore[attr-defined]
        await on.see(last.partition("/")[2])


async def test_moving_works_by_pages_ends_and_letters() -> None:
    async with stage(scenes.crowd(200)) as on:
        await on.press("end")
        await on.see("service-0020")
        await on.press("home")
        await on.see("service-0001")
        await on.press("pagedown", "j", "k", "pageup")
        assert on.app.screen.query_one("#rows").cursor == 0  # type: ignore[attr-defined]


async def test_logs_of_the_row_show_only_what_names_it() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await _halt_first_server(on)
        await on.press("l")
        await on.see("Journal > web-http/web1", "halt web-http/web1")
        await on.press("escape", "down", "l")
        await on.see("Journal > web-http/web2", "Nothing to show.")


async def test_the_colour_of_a_service_is_the_agents_to_say() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        status = await on.refreshed()
        assert [service.health for service in status.services] == [
            Health.UP,
            Health.WARN,
            Health.DOWN,
            Health.OFF,
        ]
        fake.down.pop((SMTP, 7))
        fake.down.pop((RDS, 5))
        await on.refreshed()
        assert "UP" in on.line("smtp")
        assert "UP" in on.line("- rds")


async def _halt_first_server(on: Stage) -> None:
    await on.press("down", "h")
    await on.see("Yes, halt")
    await on.press("y")
    await on.see("web-http/web1: halted.")
