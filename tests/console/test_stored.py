# SPDX-License-Identifier: Apache-2.0
"""Secrets and scripts at the console: stored, listed by name, offered to checks, thrown away."""

from __future__ import annotations

import pytest
from textual.events import Paste

from services.api import AccessRole, StoredKind
from services.model import Document, Layer4Check
from tests.console.stage import Stage, stage
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance

SECRET = "Kn0bel-4711"
SCRIPT = "#!/bin/sh\nexit 0\n"


def checked(fake: ScriptedAppliance, **check: str) -> None:
    """The first service is checked like that from now on."""
    found = Layer4Check.model_validate({**check})
    first, *rest = fake.running.cluster.layer4
    services = (first.model_copy(update={"check": found}), *rest)
    cluster = fake.running.cluster.model_copy(update={"layer4": services})
    fake.somebody_applies(Document(cluster=cluster, local=fake.running.local))


async def opened(on: Stage) -> None:
    await on.press("4", "8")
    await on.see("Secrets and scripts", "Needed by the checks of")


async def test_a_secret_is_typed_twice_as_dots_and_never_shown() -> None:
    fake = scenes.layer4()
    async with stage(fake) as on:
        await opened(on)
        await on.see("Nothing is stored. n stores a secret or a script.")
        await on.press("n", "s")
        await on.see("New secret", "it is never shown again")
        seen = ""
        for text in ("mail", SECRET, SECRET + "x"):
            await on.type(text)
            seen += on.text()
            await on.press("down")
        await on.press("f9")
        seen += await on.see("The two are not the same")
        assert fake.files.texts[StoredKind.SECRET] == {}
        await on.press("backspace", "ctrl+s")
        seen += await on.see("The secret mail is stored.", "secret  mail")
        assert fake.files.texts[StoredKind.SECRET] == {"mail": SECRET}
        assert "•" * len(SECRET) in seen
        assert SECRET not in seen
        assert fake._edits == {}


async def test_radius_has_a_second_secret_in_a_second_line() -> None:
    fake = scenes.layer4()
    async with stage(fake) as on:
        await opened(on)
        await on.press("n", "s")
        await on.see("RADIUS secret")
        for text in ("door", "anna", "anna", "shared", "shared"):
            await on.type(text)
            await on.press("enter")
        await on.press("f9")
        await on.see("The secret door is stored.")
        assert fake.files.texts[StoredKind.SECRET] == {"door": "anna\nshared"}


async def test_a_script_is_typed_line_by_line_or_pasted() -> None:
    fake = scenes.layer4()
    async with stage(fake) as on:
        await opened(on)
        await on.press("n", "c")
        await on.see("New script", "line 1 of 1")
        await on.type("look")
        await on.press("tab")
        await on.type("#!/bin/sh")
        await on.press("enter")
        await on.type("exit 1")
        await on.press("backspace")
        await on.type("0")
        await on.press("enter", "up", "up")
        await on.see("line 1 of 3")
        await on.press("up", "down", "f9")
        await on.see("The script look is stored.", str(len(SCRIPT)))
        assert fake.files.texts[StoredKind.SCRIPT] == {"look": SCRIPT}

        await on.press("n", "c")
        await on.type("pasted")
        await on.press("down")
        focused = on.app.focused
        assert focused is not None
        focused.post_message(Paste("#!/bin/sh\r\n\techo [/x]\r\nexit 3\r\n"))
        await on.see(" echo [/x]", "line 4 of 4")
        await on.press("f9")
        await on.see("The script pasted is stored.")
        text = "#!/bin/sh\n\techo [/x]\nexit 3\n"
        assert fake.files.texts[StoredKind.SCRIPT]["pasted"] == text


async def test_a_script_longer_than_the_screen_is_scrolled_through() -> None:
    async with stage(scenes.layer4()) as on:
        await opened(on)
        await on.press("n", "c", "down")
        focused = on.app.focused
        assert focused is not None
        focused.post_message(Paste("\n".join(["#!/bin/sh", *(f"echo {n}" for n in range(99))])))
        await on.see("line 100 of 100", "echo 98", "F9 Store")
        await on.press(*["pageup"] * 10)
        await on.see("line 1 of 100", "#!/bin/sh", "Name")
        await on.press(*["down"] * 30)
        await on.see("line 31 of 100", "echo 29")
        focused.post_message(Paste("#" * 70_000))
        await on.see("This is larger than 64 kB, so nothing was put in here.")
        await on.press("escape")
        await on.see("Discard what you typed?")


async def test_a_script_is_changed_where_it_differs_and_keeps_every_other_byte() -> None:
    odd = "#!/bin/sh\n\techo '\x1b[2J\u202e'\r\nexit 0"
    fake = scenes.layer4()
    fake.files.put(StoredKind.SCRIPT, "look", odd)
    async with stage(fake) as on:
        await opened(on)
        await on.press("e")
        seen = await on.see("Secrets and scripts > look", "line 1 of 3", "#!/bin/sh", "exit 0")
        assert "\x1b" not in seen
        assert "\u202e" not in seen
        await on.press("escape")
        await on.see("Needed by the checks of")
        await on.press("e")
        await on.see("line 1 of 3")
        await on.press("down", "down", "end", "backspace", "1", "f9")
        await on.see("The script look is stored.")
        assert fake.files.texts[StoredKind.SCRIPT] == {"look": odd[:-1] + "1"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("..", "x", "no name of a stored file"),
        ("taken", "x", "There is a secret taken already"),
        ("mail", "", "will not do"),
    ],
)
async def test_what_will_not_do_is_told_and_what_was_typed_stays(
    name: str, text: str, told: str
) -> None:
    fake = scenes.layer4()
    fake.files.put(StoredKind.SECRET, "taken", "old")
    async with stage(fake) as on:
        await opened(on)
        await on.press("n", "s")
        for typed in (name, text, text):
            await on.type(typed)
            await on.press("down")
        await on.press("f9")
        await on.see(told, name)
        assert fake.files.texts[StoredKind.SECRET] == {"taken": "old"}


async def test_a_pasted_secret_is_one_line() -> None:
    fake = scenes.layer4()
    async with stage(fake) as on:
        await opened(on)
        await on.press("n", "s", "down")
        for pasted, told in (("one\ntwo\n", "several lines"), (f"{SECRET}\n", "•" * len(SECRET))):
            focused = on.app.focused
            assert focused is not None
            focused.post_message(Paste(pasted))
            await on.see(told)


async def test_who_needs_one_is_told_and_what_is_needed_stays() -> None:
    fake = scenes.layer4()
    fake.files.put(StoredKind.SECRET, "mail", "x")
    fake.files.put(StoredKind.SECRET, "spare", "x")
    checked(fake, kind="negotiate", protocol="imap", login="anna", password="mail")
    async with stage(fake) as on:
        await opened(on)
        await on.see("shop", "nobody")
        await on.press("x")
        await on.see("The secret mail is needed for the checks of shop. Change these first")
        await on.press("down", "x")
        await on.see("Delete the secret spare?", "no revision brings it back")
        await on.press("y")
        await on.see("The secret spare is deleted.")
        assert fake.files.texts[StoredKind.SECRET] == {"mail": "x"}
        await on.press("e")
        await on.see("> mail", "Once more")
        for _ in range(2):
            await on.type("new")
            await on.press("down")
        await on.press("f9")
        await on.see("The secret mail is stored.")
        assert fake.files.texts[StoredKind.SECRET] == {"mail": "new"}


async def test_one_that_is_named_and_not_stored_is_listed_as_absent() -> None:
    fake = scenes.layer4()
    checked(fake, kind="external", script="look")
    async with stage(fake) as on:
        await opened(on)
        await on.see("script  look", "absent", "shop")
        await on.press("x")
        await on.see("The script look is not stored; e stores it.")


async def to_field(on: Stage, title: str) -> None:
    """Down to the field of that title."""
    for _ in range(40):
        if on.line(f"> {title}"):
            return
        await on.press("down")
    raise AssertionError(f"no field {title}\n{on.text()}")


async def test_a_check_offers_what_is_stored_and_f4_stores_another() -> None:
    fake = scenes.layer4()
    fake.files.put(StoredKind.SECRET, "mail", "x")
    checked(fake, kind="negotiate", protocol="imap", login="anna", password="gone")
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service shop")
        await on.press("f4")
        await on.see("Go to the field Password or Script of the check first.")
        await to_field(on, "Password")
        await on.see("gone (not stored)", "F4 stores a new secret", "Maintenance > Secrets")
        await on.press("left")
        await on.see("(*) mail")
        await on.press("ctrl+n")
        await on.see("New secret")
        for text in ("fresh", "y", "y"):
            await on.type(text)
            await on.press("down")
        await on.press("f9")
        await on.see("Virtual service shop", "(*) fresh")
        await on.press("f9")
        await on.see("shop is among the pending changes")
        after = fake._edits[f"layer4/{scenes.SHOP}"].after
        assert after is not None
        assert after["check"]["password"] == "fresh"
        await opened(on)
        await on.see("shop (pending)")


async def test_an_external_check_offers_the_scripts() -> None:
    fake = scenes.layer4()
    fake.files.put(StoredKind.SCRIPT, "look", SCRIPT)
    checked(fake, kind="external", script="look")
    async with stage(fake) as on:
        await on.press("e")
        await to_field(on, "Script")
        await on.see("( ) None  (*) look", "F4 stores a new script")


async def test_only_administrators_see_what_is_stored() -> None:
    async with stage(scenes.layer4(role=AccessRole.OPERATOR, user="who")) as on:
        await on.press("4", "8")
        await on.see("The account who may look, but not do that.")
