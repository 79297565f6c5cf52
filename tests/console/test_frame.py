# SPDX-License-Identifier: Apache-2.0
"""What every screen has: help, log-out, repaint, the status bar, a calm face without the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.widget import Widget

from console import watch
from console.keymap import GLOBAL, KEYS
from services.api import AccessRole, Applied, KnobRequest, Status
from services.errors import ApplyFailed
from tests.console.stage import Stage, stage
from tests.fakes import scenes

SCREENS: dict[str, tuple[str, ...]] = {
    "Overview": (),
    "main menu": ("f2",),
    "Local Configuration": ("2",),
    "unit form": ("2", "1"),
    "interfaces": ("2", "2"),
    "interface form": ("2", "2", "enter"),
    "Cluster Configuration": ("3",),
    "service form": ("e",),
    "server form": ("down", "e"),
    "new service form": ("3", "2"),
    "new layer 4 service form": ("3", "3"),
    "layer 4 advanced": ("3", "7"),
    "one to one NAT": ("3", "8"),
    "new NAT entry": ("3", "8", "n"),
    "Maintenance": ("4",),
    "pending changes": ("f7",),
    "secrets and scripts": ("4", "8"),
    "new secret": ("4", "8", "n", "s"),
    "new script": ("4", "8", "n", "c"),
    "revisions": ("4", "2"),
    "a revision": ("4", "2", "enter"),
    "running configuration": ("5", "1"),
    "Reports": ("6",),
    "layer 4 status": ("6", "2"),
    "current connections": ("6", "3"),
    "journal": ("7", "1"),
    "about": ("8", "1"),
    "halt dialog": ("down", "h"),
    "action menu": ("enter",),
    "new dialog": ("n",),
    "delete dialog": ("x",),
    "power": ("f12",),
    "doctor": ("8", "3"),
    "set-ups": ("8", "4"),
}
"""Every screen and how to get there from home by keys."""


async def go(on: Stage, keys: Sequence[str]) -> None:
    for key in keys:
        await on.press(key)
        await on.pilot.pause(0.05)


@pytest.mark.parametrize("name", SCREENS)
async def test_help_is_one_key_away_on_every_screen_and_goes_back_there(name: str) -> None:
    async with stage(scenes.small()) as on:
        await go(on, SCREENS[name])
        before = on.app.screen
        await on.press("f1")
        await on.see("Help")
        await on.press("end")
        await on.see("The item of the main menu with that number.")
        await on.press("escape")
        await on.until(lambda: on.app.screen is before)


@pytest.mark.parametrize("name", SCREENS)
async def test_every_screen_fits_80x24_with_signs_a_console_has(name: str) -> None:
    async with stage(scenes.small()) as on:
        await go(on, SCREENS[name])
        lines = on.text().splitlines()
        assert len(lines) == 24
        assert max(map(len, lines)) <= 80
        footer = lines[-1]
        assert sum(footer.count(f" {KEYS[key].shown} ") > 0 for key in KEYS) <= 20
        assert len(footer) <= 80


@pytest.mark.parametrize("name", [name for name in SCREENS if "dialog" not in name])
async def test_keys_that_textual_would_take_do_nothing(name: str) -> None:
    async with stage(scenes.small()) as on:
        await go(on, SCREENS[name])
        before = on.app.screen
        await on.press("ctrl+q", "ctrl+c", "ctrl+p", "ctrl+z", "ctrl+backslash")
        assert on.app.screen is before
        assert on.app.is_running


async def test_the_help_of_a_form_explains_every_field_from_the_model() -> None:
    async with stage(scenes.small()) as on:
        await go(on, ("e",))
        await on.press("f1")
        await on.see("Keys of this screen", "F9 Ctrl+S")
        await on.press("slash")
        await on.type("x-forwarded")
        await on.see("X-Forwarded-For")


async def test_the_menu_from_the_help_of_a_dialog_answers_the_dialog_with_no() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await go(on, ("down", "h"))
        await on.see("Yes, halt")
        await on.press("f1", "f2")
        await on.see("Main menu")
        await on.press("f10", "q")
        await on.until(lambda: on.app._exit)
        assert fake.calls == []


async def test_a_change_on_its_way_is_not_cut_off_by_leaving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = scenes.small()
    arrived, answer = asyncio.Event(), asyncio.Event()
    really = fake.set_servers

    async def slow(request: KnobRequest) -> Applied:
        arrived.set()
        await answer.wait()
        return await really(request)

    monkeypatch.setattr(fake, "set_servers", slow)
    async with stage(fake) as on:
        await go(on, ("down", "h"))
        await on.see("Yes, halt")
        await on.press("y")
        await arrived.wait()
        await on.press("q", "q")
        await on.see("A change is being made; q again when it is done.")
        answer.set()
        await on.until(lambda: fake.calls == ["set_servers"])
        await on.pilot.pause(0.1)
        await on.press("q")
        await on.until(lambda: on.app._exit)
        assert on.app.return_value == 0


async def test_log_out_leads_to_the_status_screen_and_f2_back_in() -> None:
    async with stage(scenes.small()) as on:
        await go(on, ("4", "2"))
        await on.press("q")
        await on.see("Ballast 0.1.0", "F2 Log in")
        assert "web-http" not in on.text()
        await on.press("5", "f7")
        await on.see("F2 logs in first.")
        await on.press("f2")
        await on.see("web-http")


async def test_q_on_the_status_screen_ends_the_console_with_status_0() -> None:
    async with stage(scenes.small(), status_first=True) as on:
        await on.press("q")
        await on.until(lambda: not on.app.is_running or on.app._exit)
        assert on.app.return_value == 0


async def test_the_status_screen_shows_network_counts_and_how_to_reach_it() -> None:
    async with stage(scenes.small(), status_first=True) as on:
        await on.see(
            *("lbmaster", "eth0  link up  192.168.2.21/24", "eth3  no link  no address"),
            *("1 UP", "1 WARN", "1 DOWN", "1 OFF", "ssh 192.168.2.21", "F12 Power"),
        )
        assert "web-http" not in on.text()


async def test_a_long_hostname_leaves_room_for_where_one_is() -> None:
    fake = scenes.small()
    local = fake.running.local.model_copy(update={"hostname": "h" * 63})
    fake.running = fake.running.model_copy(update={"local": local})
    async with stage(fake) as on:
        await on.see("hhh~  System Overview ")


@pytest.mark.parametrize(
    ("role", "active", "link", "shown"),
    [
        ("master", True, "no peer", "[Master]| Slave   [Active]| Passive   Link no peer"),
        ("master", True, "up", "[Master]| Slave   [Active]| Passive   [Link] up"),
        ("master", True, "down", "[Master]| Slave   [Active]| Passive   [Link] down"),
        ("slave", True, "up", " Master |[Slave]  [Active]| Passive   [Link] up"),
        ("slave", False, "up", " Master |[Slave]   Active |[Passive]  [Link] up"),
        ("master", True, "unknown", "[Master]| Slave    Active | Passive   [Link] unknown"),
    ],
)
async def test_the_status_bar_lights_role_activity_and_link(
    monkeypatch: pytest.MonkeyPatch, role: str, active: bool, link: str, shown: str
) -> None:
    fake = scenes.small()
    told = fake.status

    async def status() -> Status:
        found = await told()
        node = found.node.model_copy(update={"role": role, "active": active, "link": link})
        return found.model_copy(update={"node": node})

    monkeypatch.setattr(fake, "status", status)
    async with stage(fake) as on:
        assert on.text().splitlines()[1].startswith(shown)


@pytest.mark.parametrize(
    ("role", "shown", "hidden"),
    [
        (AccessRole.ADMIN, ("n New", "h Halt", "d Drain"), ()),
        (AccessRole.OPERATOR, ("h Halt", "d Drain", "o Online"), ("n New",)),
        (AccessRole.VIEWER, ("/ Filter",), ("n New", "h Halt", "d Drain", "o Online")),
    ],
)
async def test_verbs_an_account_may_not_use_are_offered_nowhere(
    role: AccessRole, shown: Sequence[str], hidden: Sequence[str]
) -> None:
    async with stage(scenes.small(role=role, user="who")) as on:
        footer = on.text().splitlines()[-1]
        assert all(words in footer for words in shown)
        assert not any(words in footer for words in hidden)
        await go(on, ("down", "enter"))
        await on.see("Journal entries that name it")
        box = on.text().partition("web-http/web1")[2]
        assert ("Delete" in box) is (role is AccessRole.ADMIN)
        assert ("h  Halt" in box) is (role in (AccessRole.ADMIN, AccessRole.OPERATOR))
        await on.press("escape")
        await go(on, ("f1",))
        text = await on.see("Keys of this screen")
        assert ("New virtual service, real" in text) is (role is AccessRole.ADMIN)
        await go(on, ("3", "2"))
        if role is AccessRole.ADMIN:
            await on.see("New virtual service")
        else:
            await on.see("The account who may look, but not do that.")


async def test_a_long_refusal_is_told_whole_with_its_remedy_and_the_room_comes_back() -> None:
    what = "HAProxy refused the configuration: " + "line 12: something it does not know; " * 3
    fake = scenes.small(refusal=ApplyFailed(what, do="Look at the service named and correct it."))
    async with stage(fake) as on:
        await go(on, ("down", "h"))
        await on.see("Yes, halt")
        await on.press("y")
        text = await on.see("Look at the service named and correct it.")
        assert "F1 Help" in text.splitlines()[-1]
        assert len(text.splitlines()) == 24
        await on.press("down")
        await on.gone("HAProxy refused")
        assert "web-http/web2" in on.text().splitlines()[22]
    # without end it still leaves the screen its room
    fake.refusal = ApplyFailed("x" * 5000, do="Nothing.")
    async with stage(fake) as on:
        await go(on, ("down", "d"))
        await on.see("Yes, drain")
        await on.press("y")
        text = await on.see("xxxx")
        assert sum("xxxx" in line for line in text.splitlines()) == 4
        assert "web-http" in text


async def test_a_terminal_too_small_says_so_and_comes_back_when_it_grows() -> None:
    async with stage(scenes.small()) as on:
        await go(on, ("e",))
        await on.type("x")
        await on.pilot.resize_terminal(79, 24)
        await on.see("terminal too small: 80x24 needed")
        assert "web-http" not in on.text()
        await on.press("escape", "q", "f2")
        await on.pilot.resize_terminal(80, 23)
        await on.see("terminal too small: 80x24 needed")
        await on.pilot.resize_terminal(100, 30)
        await on.see("web-httpx")


async def test_a_console_started_in_a_small_terminal_says_so() -> None:
    async with stage(scenes.small(), size=(60, 20)) as on:
        await on.see("terminal too small: 80x24 needed")
        await on.pilot.resize_terminal(80, 24)
        await on.see("web-http")


async def test_without_the_agent_there_is_a_calm_screen_that_goes_on_by_itself() -> None:
    fake = scenes.small(silent=True)
    async with stage(fake) as on:
        await on.see(
            "The agent does not answer",
            "See whether ballast-agent runs",
            "Traffic is not touched by this",
            "goes on by itself",
            "no answer from the agent",
        )
        fake.silent = False
        await on.see("web-http", "UP")
        await on.gone("no answer from the agent")


async def test_an_agent_that_is_late_after_power_on_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    up = 12.0
    monkeypatch.setattr(watch, "uptime_s", lambda: up)
    fake = scenes.small(silent=True)
    async with stage(fake) as on:
        await on.see("Ballast is starting")
        assert "no answer" not in on.text()
        up = watch.STARTING_S
        await on.see("no answer from the agent", "See whether ballast-agent runs")
        fake.silent = False
        await on.see("web-http", "UP")


async def test_an_agent_that_restarts_closes_nothing_and_the_last_figures_stay_a_while() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        fake.silent = True
        on.app.watching.now()
        await on.see("no answer from the agent", "web-http")
        fake.silent = False
        on.app.watching.now()
        await on.gone("no answer from the agent")


async def test_figures_that_are_old_are_not_shown_for_long() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        fake.silent = True
        on.app.watching.now()
        await on.see("Traffic is not touched by this")
        assert "web-http" not in on.text()


async def test_a_form_stays_open_while_the_agent_is_away() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await go(on, ("e",))
        await on.type("x")
        fake.silent = True
        on.app.watching.now()
        await on.see("no answer from the agent", "web-httpx")


async def test_ctrl_l_draws_everything_again() -> None:
    async with stage(scenes.small()) as on:
        before = on.text()
        await on.press("ctrl+l")
        await on.pilot.pause()
        assert on.text() == before


def test_every_function_key_has_a_plain_twin_and_none_lies_beyond_f12() -> None:
    for key in KEYS.values():
        functions = [k for k in key.keys if k[0] == "f" and k[1:].isdigit()]
        assert all(int(k[1:]) <= 12 for k in functions)
        if functions:
            assert len(key.keys) > len(functions), f"{key.id} has no twin"
        for name in key.keys:
            assert not name.startswith(("alt+", "ctrl+shift", "shift+f")), name
            assert name not in {"ctrl+up", "ctrl+down", "ctrl+left", "ctrl+right"}


def test_no_key_means_two_things_on_one_screen() -> None:
    from console.screens.overview import Overview
    from console.screens.pending import PendingScreen
    from console.screens.revisions import RevisionsScreen

    for screen in (Overview, PendingScreen, RevisionsScreen):
        used: dict[str, str] = {}
        for binding in screen.BINDINGS:
            assert isinstance(binding, Binding)
            for key in binding.key.split(","):
                assert used.setdefault(key, binding.action) == binding.action, (screen, key)
        for name in GLOBAL:
            for key in KEYS[name].keys:
                assert key not in used, (screen, key)


async def test_figures_that_arrive_while_the_console_ends_are_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(scenes.small()) as on:
        await on.press("f2")
        await on.see("Main menu")
        prune = on.app._prune

        async def arriving(*nodes: Widget, parent: DOMNode | None = None) -> None:
            await prune(*nodes, parent=parent)
            on.app.watching.change(on.app.picture)

        monkeypatch.setattr(on.app, "_prune", arriving)
    assert on.app.fault is None
