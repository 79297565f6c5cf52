# SPDX-License-Identifier: Apache-2.0
"""Text from elsewhere is drawn as text: no markup, no control character, nothing to click."""

from __future__ import annotations

import pytest
from textual.events import Paste

from console.widgets.field import TextField
from services.api import (
    DraftView,
    Edit,
    JournalEntry,
    PlannedChange,
    ReviewView,
    RevisionInfo,
    Status,
    StoredFile,
    StoredKind,
    WhoAmI,
)
from services.errors import ApplyFailed
from tests.console.stage import Stage, stage
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance

HOSTILE = (
    "[/x]",
    "[bold red]loud[/]",
    "[@click=app.exit]quit[/]",
    "[link=http://192.0.2.1]here[/link]",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "one\ntwo\rthree\tfour\x00",
    "世界 wide ｆｕｌｌ",
    "e\u0301 combi\u0308ning \u200b\u202ereversed",
    "\U0001f600 \ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "{braces} %s %(x)s $HOME `id`",
    "x" * 300,
)


class Hostile(ScriptedAppliance):
    """Every text it gives is the same bad one."""

    words: str = ""

    async def whoami(self) -> WhoAmI:
        return (await super().whoami()).model_copy(update={"user": self.words})

    async def status(self) -> Status:
        found = await super().status()
        words = self.words
        services = tuple(
            service.model_copy(
                update={
                    "label": words,
                    "reason": words,
                    "kind": words,
                    "addresses": (words, words),
                    "servers": tuple(
                        server.model_copy(
                            update={"label": words, "address": words, "reason": words}
                        )
                        for server in service.servers
                    ),
                }
            )
            for service in found.services
        )
        cards = tuple(
            card.model_copy(update={"name": words, "mac": words, "addresses": (words,)})
            for card in found.node.interfaces
        )
        units = tuple(unit.model_copy(update={"detail": words}) for unit in found.node.units)
        node = found.node.model_copy(
            update={
                "hostname": words,
                "version": words,
                "link": words,
                "notices": (words,),
                "interfaces": cards,
                "units": units,
            }
        )
        return found.model_copy(update={"services": services, "node": node})

    async def journal(self, limit: int = 100) -> tuple[JournalEntry, ...]:
        return (JournalEntry(at=0, who=self.words, what=self.words),) * 3

    async def revisions(self) -> tuple[RevisionInfo, ...]:
        return tuple(
            info.model_copy(update={"who": self.words, "why": self.words})
            for info in await super().revisions()
        )

    async def stored(self, kind: StoredKind) -> tuple[StoredFile, ...]:
        return (StoredFile(name=self.words, size=7),)

    async def draft(self) -> DraftView:
        found = await super().draft()
        edits = tuple(edit.model_copy(update={"label": self.words}) for edit in found.edits)
        return found.model_copy(update={"edits": edits})

    async def review(self) -> ReviewView:
        found = await super().review()
        assert found.plan is not None
        change = PlannedChange(what=self.words, effect=found.plan.effect, connections=3)
        plan = found.plan.model_copy(
            update={"diff": f"+ {self.words}", "files": self.words, "changes": (change,)}
        )
        return ReviewView(draft=await self.draft(), plan=plan)


WALK: tuple[tuple[str, ...], ...] = (
    ("down", "enter", "escape"),
    ("slash", "x", "escape"),
    ("l", "escape"),
    ("down", "h", "escape"),
    ("f7", "f9", "escape", "escape"),
    ("2", "2", "escape", "escape"),
    ("4", "2", "enter", "escape", "b", "escape", "escape", "escape"),
    ("4", "8", "x", "escape", "e", "escape", "n", "c", "escape", "escape", "escape"),
    ("5", "1", "slash", "z", "escape", "escape", "escape"),
    ("7", "1", "f1", "escape", "escape", "escape"),
    ("8", "1", "escape", "escape"),
    ("q",),
)


def hostile(words: str) -> Hostile:
    fake = Hostile(running=scenes.small().running)
    fake.words = words
    fake._edits["layer7/101"] = Edit(
        key="layer7/101",
        before=fake._view().document.model_dump(mode="json")["cluster"]["layer7"][0]  # type: ignore[union-attr]
        | {"servers": []},
        after=None,
        label=words,
    )
    before = fake._edits["layer7/101"].before
    assert before is not None
    del before["servers"]
    return fake


def assert_plain(on: Stage) -> None:
    on.text()  # checks every glyph
    for strip in on.app.screen._compositor.render_strips():
        for piece in strip:
            if piece.style is not None:
                assert piece.style.link is None
                assert "@click" not in piece.style.meta


@pytest.mark.parametrize("words", HOSTILE)
async def test_no_text_from_elsewhere_is_obeyed_or_breaks_a_screen(words: str) -> None:
    async with stage(hostile(words)) as on:
        assert_plain(on)
        for keys in WALK:
            for key in keys:
                await on.press(key)
                assert_plain(on)
        assert on.app.is_running
        assert on.app.fault is None


@pytest.mark.parametrize("words", HOSTILE)
async def test_an_errors_words_are_drawn_as_words(words: str) -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        fake.refusal = ApplyFailed(words, do=words)
        await on.press("down", "h", "y")
        assert_plain(on)
        await on.press("e")
        await on.see("Real server")
        fake.refusal = ApplyFailed(words, do=words)
        await on.press("x", "f9")
        assert_plain(on)
        assert on.app.is_running


@pytest.mark.parametrize("words", ["世界", "e\u0301", "[/x]", "[@click=app.exit]x[/]", "ünïcödé"])
async def test_a_comment_is_edited_sign_by_sign_and_kept_as_it_was(words: str) -> None:
    fake = scenes.small()
    services = fake.running.cluster.layer7
    first = services[0].model_copy(update={"comment": words})
    cluster = fake.running.cluster.model_copy(update={"layer7": (first, *services[1:])})
    fake.somebody_applies(fake.running.model_copy(update={"cluster": cluster}))
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service")
        await on.press(*["down"] * 15, "exclamation_mark")
        assert_plain(on)
        await on.press("f9")
        await on.see("1 change pending")
        after = fake._edits["layer7/101"].after
        assert after is not None
        assert after["comment"] == f"{words}!"


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ("a\nb\r\n", "web-httpa,b"),
        ("a b\r\n", "web-httpa b"),
        ("x\x1b[31m", "web-httpx\x1b[31m"),
        ("b" * 500, "web-http" + "b" * 500),
    ],
)
async def test_pasted_text_is_one_line_and_nothing_of_it_is_lost(words: str, taken: str) -> None:
    async with stage(scenes.small()) as on:
        await on.press("e")
        await on.see("Virtual service")
        field = on.app.focused
        assert isinstance(field, TextField)
        field.post_message(Paste(words))
        await on.until(lambda: field.value == taken)
        assert_plain(on)


async def test_what_does_not_fit_is_refused_whole() -> None:
    async with stage(scenes.small()) as on:
        await on.press("e")
        await on.see("Virtual service")
        field = on.app.focused
        assert isinstance(field, TextField)
        field.post_message(Paste("b" * TextField.LIMIT))
        await on.see("This is longer than 2,000 signs, so nothing was put in here.")
        assert field.value == "web-http"
