# SPDX-License-Identifier: Apache-2.0
"""What the keys of the Overview start: conversations that end in a change, or in none.

Halt, drain and online go to the appliance at once, since they are what one needs in a
hurry; whatever a reload belongs to goes among the pending changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console import objects, switching, theme
from console.roles import may, offered
from console.rows import Draft, Row
from console.screens.checks import ChecksScreen
from console.screens.dialog import Ask, Choice, Pick, TypeToConfirm
from console.screens.doctor import DoctorScreen
from console.screens.server_form import ServerForm
from console.screens.server_setup import ServerSetupScreen
from console.screens.service_form import ServiceForm, form_of
from console.switching import Switch
from console.wording import count
from services.api import AccessRole, Edit, KnobRequest, ServiceStatus
from services.errors import ApplianceError
from services.model import ServerState

if TYPE_CHECKING:
    from console.screens.overview import Overview

NEW_YET = "It does not run yet: apply the pending changes first (F7)."

_DONE = {
    ServerState.HALT: "halted",
    ServerState.DRAIN: "draining",
    ServerState.ONLINE: "online",
}
_ASKED = {
    ServerState.HALT: "Halt",
    ServerState.DRAIN: "Drain",
    ServerState.ONLINE: "Bring online",
}


def switch(overview: Overview, rows: Sequence[Row], state: ServerState, subject: str = "") -> None:
    """Halt, drain or bring online what the rows name, after asking.

    `subject`: what the person pointed at, where it was not the rows.
    """
    app = overview.console_app
    if not app.may(AccessRole.OPERATOR):
        return
    if not rows:
        app.say("Nothing of that runs yet: apply the pending changes first (F7).")
        return
    wish = switching.switch(rows, state, subject)
    if not wish.targets:
        overview.say(_nothing_to_do(rows, state), theme.WARNING)
        return
    app.ask(lambda: _switch(overview, wish), f"switching to {state.value}")


def _nothing_to_do(rows: Sequence[Row], state: ServerState) -> str:
    servers = [s for row in rows for s in ([row.server] if row.server else row.service.servers)]
    if not servers:
        return "It has no real server yet: n makes one."
    if any(server.state is not state for server in servers):
        return "Already offline; h and d on a server's own row switch between halt and drain."
    return f"Already {_DONE[state]}."


async def _switch(overview: Overview, wish: Switch) -> None:
    app = overview.console_app
    milder = wish.milder()
    answer = await app.push_screen_wait(_question(wish))
    if answer == "milder" and milder is not None:
        wish = milder
    elif answer != "yes":
        overview.say("Nothing was changed.")
        return
    if wish.abandoned and not await app.push_screen_wait(_sure(wish.abandoned)):
        overview.say("Nothing was changed.")
        return
    keys = tuple(target.key for target in wish.targets)
    try:
        await app.appliance.set_servers(KnobRequest(servers=keys, state=wish.state))
    except ApplianceError as error:
        app.say(str(error))
    else:
        what = wish.targets[0].label if len(keys) == 1 else count(len(keys), "server")
        app.say(f"{what}: {_DONE[wish.state]}.", bad=False)
        app.view = overview.view.unmarked()
    app.watching.now()


def _sure(abandoned: Sequence[ServiceStatus]) -> TypeToConfirm:
    """Asked a second time: what is typed shows that the person has read whom it hits."""
    if len(abandoned) == 1:
        label = abandoned[0].label
        return TypeToConfirm(
            f"{label} is left without a server",
            [
                (
                    f"After this no healthy real server answers for {label}: "
                    "clients get its fallback, or nothing."
                )
            ],
            word=label,
        )
    number = count(len(abandoned), "service")
    names = switching.named([service.label for service in abandoned])
    return TypeToConfirm(
        f"{number} are left without a server",
        [
            f"After this no healthy real server answers for {names}",
            "Clients get their fallback, or nothing.",
        ],
        word=str(len(abandoned)),
    )


def _question(wish: Switch) -> Ask:
    verb = _ASKED[wish.state]
    options = [("yes", f"Yes, {verb.lower()}")]
    if wish.milder() is not None:
        options.append(("milder", "Drain instead"))
    options.append(("no", "No"))
    kind = "Real Server" if len(wish.targets) == 1 else "Real Servers"
    return Ask(
        f"{verb} {kind}",
        [f"{verb} {wish.subject}?", *filter(None, [wish.names()]), "", *filter(None, wish.words())],
        options=options,
        default="no",
        alarm=wish.drops > 0 or bool(wish.abandoned),
    )


def new(overview: Overview) -> None:
    """A form for a new server or service, as the row suggests."""
    app = overview.console_app
    row = overview.table.current
    if not app.may():
        return
    if row is None or row.draft is Draft.DELETED:
        ServiceForm.open_new(app)
        return
    app.ask(lambda: _new(overview, row), "asking what to make")


async def _new(overview: Overview, row: Row) -> None:
    app = overview.console_app
    picked = await app.push_screen_wait(
        Pick(
            "New",
            [
                Choice("server", "r", f"Real server (RIP) in {row.service.label}"),
                Choice("layer7", "v", "Layer 7 virtual service (VIP)"),
                Choice("layer4", "4", "Layer 4 virtual service (VIP)"),
            ],
        )
    )
    if picked == "server":
        ServerForm.open_new(app, row.service.id, row.service.layer)
    elif picked is not None:
        form_of(picked).open_new(app)


def edit(overview: Overview, row: Row) -> None:
    """The form of the row's object."""
    app = overview.console_app
    if not app.may():
        return
    if row.draft is Draft.DELETED:
        app.say(f"{row.label} is to be deleted; x takes that back.")
    elif row.server is not None:
        ServerForm.open(app, row.service.id, row.server.id, row.service.layer)
    else:
        form_of(row.service.layer).open(app, row.service.id)


def delete(overview: Overview, row: Row) -> None:
    """Put the row's deletion among the pending changes, or take it out again."""
    if overview.console_app.may():
        overview.console_app.ask(lambda: _delete(overview, row), "deleting")


async def _delete(overview: Overview, row: Row) -> None:
    app = overview.console_app
    layer = row.service.layer
    key = objects.service_key(row.service.id, layer)
    if row.server is not None:
        key = objects.server_key(*row.key, layer)
    if row.draft is not Draft.NONE:
        kind = {Draft.NEW: "new", Draft.DELETED: "to be deleted"}.get(row.draft, "changed")
        answer = await app.push_screen_wait(
            Ask(
                "Take the pending change back",
                [f"{row.label} is {kind} in the pending changes. Take that back?"],
                options=[("yes", "Yes, take back"), ("no", "No")],
                default="no",
            )
        )
        if answer == "yes":
            app.draft_is(await app.appliance.drop_edit(key.text))
            app.say(f"The change of {row.label} was taken back.", bad=False)
        return
    found = row.server or row.service
    inside = "" if row.server else f" and its {count(len(row.service.servers), 'real server')}"
    answer = await app.push_screen_wait(
        Ask(
            "Delete",
            [
                f"Delete {row.label}{inside}?",
                "",
                (
                    f"{count(found.connections, 'connection')} open there now. It goes among the "
                    "pending changes; nothing happens before you apply them (F7)."
                ),
            ],
            options=[("yes", "Yes, delete"), ("no", "No")],
            default="no",
            alarm=True,
        )
    )
    if answer != "yes":
        return
    running = (await app.appliance.document()).document
    before = objects.find_bare(running, key)
    if before is None:
        app.say(f"{row.label} is gone already.")
        return
    app.draft_is(
        await app.appliance.edit(Edit(key=key.text, before=before, after=None, label=row.label))
    )
    app.say(f"{row.label} will be deleted with the pending changes (F7).", bad=False)


def _no_setup(row: Row) -> str:
    """Why there are no commands for the row's real servers; empty: there are."""
    if row.service.layer != "layer4":
        return "Servers of layer 7 services need none: this unit is their client."
    if row.draft is Draft.NEW:
        return NEW_YET
    return "" if row.server or row.service.servers else "It has no real server yet: n makes one."


def _no_checks(row: Row) -> str:
    """Why no results can be shown; empty: they can."""
    if row.service.layer != "layer4":
        return "HAProxy tells of layer 7 servers the last result only: it stands above."
    if row.server is None:
        return "Choose one of its real servers."
    return NEW_YET if row.draft is Draft.NEW else ""


def _everywhere(overview: Overview, row: Row) -> list[Choice]:
    """The line for the row's machine, where that stands behind several services."""
    rows = _machine(overview, row.server.address) if row.server else []
    if len(rows) < 2:
        return []
    words = f"Switch the whole machine: {count(len(rows), 'server')} of its address"
    return [Choice("machine", "a", words)]


def _machine(overview: Overview, address: str) -> list[Row]:
    status = overview.picture.status
    return switching.on_machine(status.services if status else (), address)


async def _switch_machine(overview: Overview, address: str) -> None:
    """Ask for the state, then switch the machine in every service as one change."""
    picked = await overview.app.push_screen_wait(
        Pick(
            f"{address} in all services",
            [
                Choice("halt", "h", "Halt: its connections end"),
                Choice("drain", "d", "Drain: it finishes its connections"),
                Choice("online", "o", "Online"),
            ],
        )
    )
    if picked is not None:
        rows = _machine(overview, address)
        switch(overview, rows, ServerState(picked), f"{address} in all services")


def open_actions(overview: Overview, row: Row) -> None:
    """The menu of what one can do with the row."""
    overview.console_app.ask(lambda: _actions(overview, row), "offering actions")


async def _actions(overview: Overview, row: Row) -> None:
    missing = NEW_YET if row.draft is Draft.NEW else ""
    whom = "" if row.server else " all its real servers"
    choices = [
        Choice("edit", "e", "Edit"),
        Choice("new", "n", "New real server or service"),
        Choice("halt", "h", f"Halt{whom}", missing),
        Choice("drain", "d", f"Drain{whom}", missing),
        Choice("online", "o", f"Online{whom}", missing),
        *_everywhere(overview, row),
        Choice("doctor", "t", "Have the doctor examine the service", missing),
        Choice("setup", "s", "Set up: the commands for the real server", _no_setup(row)),
        Choice("checks", "c", "Last results of its checks", _no_checks(row)),
        Choice("logs", "l", "Journal entries that name it"),
        Choice("delete", "x", "Delete"),
    ]
    who = overview.console_app.picture.who
    mine = offered(who, [choice.id for choice in choices if choice.id != "edit" or may(who, ())])
    picked = await overview.app.push_screen_wait(
        Pick(
            row.label,
            [choice for choice in choices if choice.id in mine],
            [row.server.reason if row.server else row.service.reason],
        )
    )
    match picked:
        case "edit":
            edit(overview, row)
        case "new":
            new(overview)
        case "halt" | "drain" | "online":
            switch(overview, [row], ServerState(picked))
        case "machine" if row.server:
            await _switch_machine(overview, row.server.address)
        case "doctor":
            overview.app.push_screen(DoctorScreen(row.service.id, row.service.label))
        case "setup":
            servers = [row.server] if row.server else row.service.servers
            keys = [(row.service.id, server.id) for server in servers]
            overview.app.push_screen(ServerSetupScreen(keys, row.label))
        case "checks" if row.server:
            overview.app.push_screen(ChecksScreen((row.service.id, row.server.id), row.label))
        case "logs":
            overview.action_logs()
        case "delete":
            delete(overview, row)
