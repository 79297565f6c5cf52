# SPDX-License-Identifier: Apache-2.0
"""Pending changes: reviewed with their effect on traffic, applied, confirmed, discarded, merged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from console.screens import frame
from services.api import Applied, DraftApply, DraftView, Edit, ProblemView
from services.errors import ApplyFailed
from services.model import Document
from tests.console.stage import Stage, stage
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.fakes.scenes import RDS, WEB


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_772_368_265.0

    def __call__(self) -> float:
        return self.now


def tree(document: Document) -> dict[str, Any]:
    return document.model_dump(mode="json")


async def rename_first_service(on: Stage, label: str) -> None:
    await on.press("home", "e")
    await on.see("Virtual service")
    await on.press("ctrl+u")
    await on.type(label)
    await on.press("f9")
    await on.see(f"{label} is among the pending changes")


async def change_address(on: Stage, address: str) -> None:
    await on.press("2", "2", "enter")
    await on.see("Network > eth0")
    await on.press("ctrl+u")
    await on.type(address)
    await on.press("f9")
    await on.see("eth0 is among the pending changes")


def with_label(document: Document, label: str) -> Document:
    changed = tree(document)
    changed["cluster"]["layer7"][0]["label"] = label
    return Document.model_validate(changed)


async def test_a_review_shows_the_objects_the_effect_on_traffic_and_the_difference() -> None:
    async with stage(scenes.small()) as on:
        await rename_first_service(on, "web-shop")
        await on.press("f7")
        await on.see(
            "Pending changes",
            "~ web-shop",
            "reload HAProxy: reload, no connection lost",
            "One reload; no connection is lost.",
            "- label: web-http",
            "+ label: web-shop",
        )


async def test_apply_asks_for_a_reason_and_makes_a_revision() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await rename_first_service(on, "web-shop")
        await on.press("c")
        await on.see("What applying does")
        await on.press("f9")
        await on.see("Apply pending changes", "1 change to apply.", "Reason")
        await on.type("ticket 7")
        await on.press("enter", "enter", "enter")
        await on.see("Applied: revision 2 runs.", "reload HAProxy")
        assert fake.running.cluster.layer7[0].label == "web-shop"
        assert (await fake.revisions())[0].why == "ticket 7"
        await on.press("escape")
        await on.see("System Overview", "web-shop")
        assert "pending" not in on.text()


async def test_no_leaves_everything_pending() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await rename_first_service(on, "web-shop")
        await on.press("f7", "a")
        await on.see("Apply pending changes")
        await on.press("escape")
        await on.see("Nothing was applied.", "1 change pending")
        assert "apply_draft" not in fake.calls


async def test_a_change_that_drops_connections_is_counted_and_the_default_is_no() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "x")
        await on.see("Yes, delete")
        await on.press("y")
        await on.press("f7")
        await on.see("reload HAProxy: drops 402 connections", "It drops 402 connections.")
        await on.press("f9")
        await on.see("It drops 402 connections.", "[ No ]")
        await on.press("enter", "enter", "enter")
        await on.see("Nothing was applied.")


async def test_a_failed_apply_is_explained_and_nothing_pending_is_lost() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await rename_first_service(on, "web-shop")
        await on.press("f7")
        await on.see("What applying does")
        fake.refusal = ApplyFailed(
            "HAProxy refuses the new file; the old one was put back.", do="Read its words below."
        )
        await on.press("f9")
        await on.see("Reason")
        await on.press("enter", "enter", "enter")
        await on.see("Not applied", "the old one was put back.", "Read its words below.")
        await on.press("enter")
        await on.see("~ web-shop", "1 change pending")


async def test_x_discards_one_change_and_shift_d_all_of_them() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await rename_first_service(on, "one")
        await on.press(*["down"] * 4, "e")
        await on.see("Virtual service rds")
        await on.type("x")
        await on.press("f9")
        await on.see("2 changes pending")
        await on.press("f7")
        await on.see("~ one", "~ rdsx")
        await on.press("x")
        await on.see("The change of one was discarded.", "1 change pending")
        await on.press("D")
        await on.see("1 change will be lost.")
        await on.press("enter")
        await on.see("1 change pending")
        await on.press("D", "y")
        await on.see("All pending changes were discarded.", "No change is pending.")
        assert fake._edits == {}


async def test_what_this_machine_lacks_is_said_at_review_and_f9_says_it_too() -> None:
    what = "This machine's kernel has no scheduler mh, which layer 4 service shop asks for."
    do = "Choose another one, or load its module (`modprobe ip_vs_mh`)."
    fake = scenes.small(lacking=(ProblemView(path=(), what=what, do=do),))
    async with stage(fake) as on:
        await rename_first_service(on, "one")
        await on.press("f7")
        text = await on.see("This machine cannot carry it", what, do)
        assert "~ one" in text
        await on.press("f9")
        await on.see("~ one", "Choose another one")
        assert "Reason" not in on.text()
        fake.lacking = ()
        await on.press("f9")
        await on.see("Reason")


async def test_a_vip_in_no_network_is_said_in_the_form_and_at_review_and_may_be_applied() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service web-http")
        await on.press("down", "end", "comma")
        await on.type("203.0.113.9")
        await on.see("203.0.113.9: in no network of this unit's interfaces; a router must send it")
        await on.press("f9", "f7")
        await on.see(
            "Worth a second look",
            "web-http has 203.0.113.9, which lies in no network of this unit's interfaces",
            "let the router send it here.",
        )
        await on.press("f9")
        await on.see("Reason")


async def test_enter_opens_the_form_of_a_pending_change_again() -> None:
    async with stage(scenes.small()) as on:
        await rename_first_service(on, "one")
        await on.press("f7", "enter")
        await on.see("Label                  one")
        await on.type("two")
        await on.press("f9")
        await on.see("Pending changes", "~ onetwo", "+ label: onetwo")


async def open_window(on: Stage, fake: ScriptedAppliance) -> None:
    """A change that waits to be confirmed, and the question about it."""
    await change_address(on, "192.168.2.50/24")
    await on.press("f7", "f9")
    await on.see("Confirm within")
    await on.press("f9")
    await on.see("Keep the new settings?", "within 60 seconds")
    assert str(fake.running.local.interfaces[0].addresses[0]) == "192.168.2.50/24"


async def test_a_change_of_the_units_address_is_applied_with_a_countdown_and_kept() -> None:
    clock = Clock()
    fake = scenes.small(clock=clock)
    async with stage(fake) as on:
        await change_address(on, "192.168.2.50/24")
        await on.press("f7")
        await on.see("bring address 192.168.2.50/24 up")
        await on.press("f9")
        await on.see("Confirm within   60", "comes back by itself")
        await on.press("tab", "tab", "enter")
        await on.see("Keep the new settings?", "within 60 seconds")
        clock.now += 20
        await on.refreshed()
        await on.see("within 40 seconds", "keep within 40 s? F7")
        await on.press("k")
        await on.see("Kept: revision 2 runs.")
        assert str(fake.running.local.interfaces[0].addresses[0]) == "192.168.2.50/24"
        assert "confirm" in fake.calls


async def test_looking_around_leaves_the_countdown_and_f7_asks_again() -> None:
    clock = Clock()
    fake = scenes.small(clock=clock)
    async with stage(fake) as on:
        await change_address(on, "192.168.2.50/24")
        await on.press("f7", "f9")
        await on.see("Confirm within")
        await on.press("tab", "tab", "enter")
        await on.see("Keep the new settings?")
        await on.press("enter")
        await on.see("It still waits")
        await on.press("escape", "f7")
        await on.see("y Keep", "b Roll back")
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.press("r")
        await on.see("Rolled back: revision 1 runs.")
        assert str(fake.running.local.interfaces[0].addresses[0]) == "192.168.2.21/24"


async def test_what_nobody_keeps_comes_back_by_itself_and_the_console_sees_it() -> None:
    clock = Clock()
    fake = scenes.small(clock=clock)
    async with stage(fake) as on:
        await change_address(on, "192.168.2.50/24")
        await on.press("f7", "f9")
        await on.see("Confirm within")
        await on.press("tab", "tab", "enter")
        await on.see("Keep the new settings?")
        await on.press("l")
        await on.see("It waits to be confirmed.")
        clock.now += 61
        await on.refreshed()
        await on.gone("keep within", "It waits to be confirmed.")
        assert str(fake.running.local.interfaces[0].addresses[0]) == "192.168.2.21/24"


async def test_the_question_goes_away_with_the_countdown_and_cannot_undo_anything_else() -> None:
    clock = Clock()
    fake = scenes.small(clock=clock)
    async with stage(fake) as on:
        await open_window(on, fake)
        clock.now += 61
        await on.refreshed()
        await on.see("Nobody kept it in time: the settings before are back.")
        await on.gone("Keep the new settings?", "It waits to be confirmed.")
        assert "rollback" not in fake.calls


async def test_the_question_goes_away_when_somebody_else_keeps_the_change() -> None:
    fake = scenes.small(clock=Clock())
    async with stage(fake) as on:
        await open_window(on, fake)
        await fake.confirm()
        await on.refreshed()
        await on.see("Somebody kept it meanwhile.")
        await on.gone("Keep the new settings?")


async def test_rolling_back_a_moment_too_late_does_not_take_an_earlier_change_back() -> None:
    clock = Clock()
    fake = scenes.small(clock=clock)
    fake.somebody_applies(with_label(fake.running, "kept-before"))
    async with stage(fake) as on:
        await open_window(on, fake)
        await on.press("enter")
        clock.now += 61
        # the screen does not know yet
        await on.press("b")
        await on.see("Nobody kept it in time")
        assert fake.running.cluster.layer7[0].label == "kept-before"


async def test_a_key_pressed_again_while_the_agent_is_slow_is_not_meant_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = scenes.small(clock=Clock())
    fake.somebody_applies(with_label(fake.running, "kept-before"))
    answer = asyncio.Event()
    really = fake.rollback

    async def slow(number: int | None = None, *, why: str = "") -> Applied:
        await answer.wait()
        return await really(number, why=why)

    monkeypatch.setattr(fake, "rollback", slow)
    async with stage(fake) as on:
        await open_window(on, fake)
        await on.press("enter")
        await on.press("b", "b")
        await on.see("Still rolling back; wait for its end.")
        answer.set()
        await on.see("Rolled back: revision 2 runs.")
        assert fake.running.cluster.layer7[0].label == "kept-before"
        assert fake.calls.count("rollback") == 1


async def test_an_apply_says_so_for_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = scenes.small()
    answer = asyncio.Event()
    really = fake.apply_draft

    async def slow(wish: DraftApply) -> Applied:
        await answer.wait()
        return await really(wish)

    monkeypatch.setattr(fake, "apply_draft", slow)
    async with stage(fake) as on:
        await rename_first_service(on, "web-shop")
        monkeypatch.setattr(frame, "NOTICE_S", 0.0)
        await on.press("f7", "f9")
        await on.see("Confirm within")
        await on.press("f9")
        await on.refreshed()
        await on.see("Applying ...")
        await on.press("escape")
        answer.set()
        await on.until(lambda: fake.running.cluster.layer7[0].label == "web-shop")
        await on.gone("1 change pending")


async def test_seconds_that_are_no_number_are_refused_in_the_dialog() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await rename_first_service(on, "web-shop")
        await on.press("f7", "f9")
        await on.see("Confirm within")
        await on.press("tab")
        await on.type("soon")
        await on.press("tab", "enter")
        await on.see("Write 1 to 3600 seconds, or nothing")
        assert "apply_draft" not in fake.calls


async def clash(on: Stage, fake: ScriptedAppliance) -> None:
    await rename_first_service(on, "mine")
    fake.somebody_applies(with_label(fake.running, "theirs"))
    await on.press("f7")
    await on.see("mine", "clashes", "was changed meanwhile: label.")
    await on.see("label: was web-http", "theirs theirs", "yours mine")


async def test_a_second_console_is_told_what_changed_and_keeps_what_it_typed() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await clash(on, fake)
        await on.press("f9")
        await on.see("keep yours (K) or take theirs (T) first")
        await on.press("K")
        await on.see("Yours is kept for mine.", "+ label: mine", "- label: theirs")
        await on.press("f9")
        await on.see("Reason")
        await on.press("enter", "enter", "enter")
        await on.see("Applied: revision 3 runs.")
        assert fake.running.cluster.layer7[0].label == "mine"


async def test_taking_theirs_drops_ones_own_change_and_nothing_else() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press(*["down"] * 4, "e")
        await on.see("Virtual service rds")
        await on.type("x")
        await on.press("f9")
        await on.see("rdsx is among")
        await clash(on, fake)
        await on.press("T")
        await on.see("was discarded", "~ rdsx", "+ label: rdsx")
        assert set(fake._edits) == {f"layer7/{RDS}"}


async def test_a_change_of_something_deleted_meanwhile_can_be_kept_as_new() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await rename_first_service(on, "mine")
        changed = tree(fake.running)
        changed["cluster"]["layer7"].pop(0)
        fake.somebody_applies(Document.model_validate(changed))
        await on.press("f7")
        await on.see("mine was deleted meanwhile.")
        await on.press("K")
        await on.see("Yours is kept for mine.", "+ mine")


async def test_a_server_whose_service_is_gone_can_only_be_given_up() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "e")
        await on.see("Real server")
        await on.type("x")
        await on.press("f9")
        await on.see("web-http/web1x is among")
        changed = tree(fake.running)
        changed["cluster"]["layer7"].pop(0)
        fake.somebody_applies(Document.model_validate(changed))
        await on.press("f7", "K")
        await on.see("It cannot be kept: what it belongs to is gone. T takes theirs.")
        await on.press("T")
        await on.see("No change is pending.")


async def test_a_form_opened_before_somebody_elses_apply_loses_nothing() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service")
        await on.press("ctrl+u")
        await on.type("mine")
        fake.somebody_applies(with_label(fake.running, "theirs"))
        await on.press("f9")
        await on.see("1 pending clash: F7 review")
        await on.see("mine: somebody changed it meanwhile. F7 shows both; yours is kept.")
        edit = fake._edits[f"layer7/{WEB}"]
        assert isinstance(edit, Edit)
        assert edit.after is not None
        assert edit.after["label"] == "mine"
        await on.press("f7", "K")
        await on.see("Yours is kept for mine.")


async def test_a_slow_answer_to_f9_is_waited_for_in_words_and_f9_again_sends_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = scenes.small()
    answer = asyncio.Event()
    really = fake.edit

    async def slow(edit: Edit) -> DraftView:
        await answer.wait()
        return await really(edit)

    monkeypatch.setattr(fake, "edit", slow)
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service")
        await on.press("f9", "f9")
        await on.see("Waiting for the agent's answer ...")
        answer.set()
        await on.see("web-http is among the pending changes")
        assert fake.calls == ["edit"]


async def test_tab_goes_to_the_plan_and_back() -> None:
    async with stage(scenes.small()) as on:
        await rename_first_service(on, "web-shop")
        await on.press("f7")
        await on.see("What applying does")
        await on.press("tab", "end", "tab", "x")
        await on.see("No change is pending.")
