# SPDX-License-Identifier: Apache-2.0
"""Menus: the eight items of the original's guide, each with its screens.

What is not there yet is shown all the same, with a sentence: somebody who looks for it in
the place they know learns that it is missing and not that they are blind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import on
from textual.binding import Binding
from textual.widget import Widget

from console import theme
from console.glyphs import fit
from console.keymap import MOVES, bindings
from console.screens.frame import Frame
from console.widgets.row_list import RowList
from services.api import AccessRole

if TYPE_CHECKING:
    from console.app import ConsoleApp

LATER = "Not in this version."


@dataclass(frozen=True)
class Item:
    """One line of a menu."""

    label: str
    about: str
    open: Callable[[ConsoleApp], object] | None = None
    """None: not there yet."""


@dataclass(frozen=True)
class Menu:
    """A title and its lines; the digit of a line is its place."""

    title: str
    items: tuple[Item, ...]


class MenuScreen(Frame):
    """A menu."""

    FOOTER = ("help", "menu", "choose", "review", "back", "log_out", "power")
    KEYS = (*MOVES, "choose", "back")
    ABOUT = "Enter or the digit opens a line. Grey lines are not in this version."
    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings("back"),
        *(Binding(digit, f"pick({digit})", show=False) for digit in "123456789"),
    ]

    def __init__(self, menu: Menu, above: str = "") -> None:
        super().__init__()
        self._menu = menu
        self._crumbs = f"{above} > {menu.title}" if above else menu.title

    def compose_body(self) -> Iterable[Widget]:
        yield RowList[tuple[int, Item]](_paint, key=lambda row: row[0], id="items")

    def begin(self) -> None:
        super().begin()
        items = self.query_one("#items", RowList)
        items.show(list(enumerate(self._menu.items, 1)))
        self.set_focus(items)

    def crumbs(self) -> str:
        return self._crumbs

    def action_pick(self, number: int) -> None:
        if number <= len(self._menu.items):
            self.open_item(self.console_app, self._menu.items[number - 1], self._crumbs)

    @on(RowList.Chosen)
    def _chosen(self, message: RowList.Chosen) -> None:
        self.open_item(self.console_app, self._menu.items[message.index], self._crumbs)

    @staticmethod
    def open_item(app: ConsoleApp, item: Item, _above: str = "") -> None:
        """Open the line, or say why that cannot be."""
        if item.open is None:
            app.say(f"{item.label}: {LATER} {item.about}")
        else:
            item.open(app)


def _paint(row: tuple[int, Item], width: int, chosen: bool) -> list[Segment]:
    number, item = row
    missing = item.open is None
    style = theme.CURSOR if chosen else theme.GREY if missing else theme.PLAIN
    digit = theme.CURSOR if chosen else theme.GREY if missing else theme.HEADING
    about = f"- {LATER}" if missing else item.about
    return [
        Segment(f"  {number} ", digit),
        Segment(fit(f" {item.label}", 33), style),
        Segment(
            fit(about, width - 37),
            theme.CURSOR if chosen else theme.GREY if missing else theme.FAINT,
        ),
    ]


def main_menu() -> Menu:
    """The eight items."""
    return Menu(
        "Main menu",
        (
            Item("System Overview", "services and servers, live", lambda app: app.go_home()),
            _sub(
                "Local Configuration",
                "this unit: name, network",
                Item("Hostname, DNS and gateways", "of this unit alone", _open_local),
                Item("Network interfaces", "addresses and MTU of eth0 to eth3", _open_interfaces),
                Item("Routing", "Static routes; the default gateways are in item 1."),
                Item("Time and NTP", "Time servers and zone."),
                Item("Users and SSH keys", "Accounts and their roles."),
                Item("Console", "Idle time and lock-down of this screen."),
                Item("Network setup", "the first steps again, one by one", _open_wizard),
            ),
            _sub(
                "Cluster Configuration",
                "services, pair",
                Item("Virtual services", "the Overview: n new, e edit, x delete", _home_with_hint),
                Item("New layer 7 virtual service", "then its real servers", _open_new_service),
                Item("New layer 4 virtual service", "DR, NAT, TUN or SNAT", _open_layer4),
                Item("SSL termination", "Certificates and where they are used."),
                Item("Floating IPs", "Addresses that follow the active unit."),
                Item("Heartbeat and pair", "A second unit that takes over."),
                Item("Layer 4 - advanced", "timeouts, auto-NAT, one-arm NAT", _open_advanced),
                Item("1:1 NAT", "access to what is not balanced", _open_nat),
                Item("Layer 7 - advanced", "Settings of all layer 7 services."),
            ),
            _sub(
                "Maintenance",
                "changes, revisions",
                Item("Pending changes", "review and apply", lambda app: app.action_review()),
                Item("Revisions", "look at and go back to earlier ones", _open_revisions),
                Item("Restart services", "With what each restart does to traffic."),
                Item("Backup and restore", "To a file, and back."),
                Item("Synchronise with peer", "Copies the cluster half to the other unit."),
                Item("Updates", "A new version in the idle slot."),
                Item("Factory defaults", "Begins anew; the address resets too."),
                Item("Secrets and scripts", "what health checks need", _open_stored),
            ),
            _sub(
                "View Configuration",
                "what runs",
                Item("Running configuration", "the whole document, read only", _open_document),
                Item("Generated files", "What HAProxy is given; the review shows changes."),
                Item("Network state", "Addresses and routes as the kernel has them."),
            ),
            _sub(
                "Reports",
                "what happened to traffic",
                Item("Layer 7 status", "the Overview", lambda app: app.go_home()),
                Item("Layer 4 status", "connections, packets, bytes, rates", _open_layer4_status),
                Item("Current connections", "who, where, which state", _open_connections),
                Item("Graphs", "Connections and bytes over hours and days."),
            ),
            _sub(
                "Logs",
                "who did what",
                Item("Journal", "changes and repairs, newest first", _open_journal),
                Item("System log", "All daemons' words."),
            ),
            _sub(
                "Support",
                "about, tools",
                Item("About", "version, licence, units", _open_about),
                Item("Support bundle", "Everything support asks for, in one file."),
                Item("Doctor", "proves that VIPs and servers are set up right", _open_doctor),
                Item("Set up real servers", "the commands for each", _open_setups),
                Item("Network tools", "Ping, traceroute, DNS, port test."),
            ),
        ),
    )


def _sub(label: str, about: str, *items: Item) -> Item:
    menu = Menu(label, items)
    return Item(label, about, lambda app: app.push_screen(MenuScreen(menu)))


def _open_local(app: ConsoleApp) -> None:
    from console.screens.local_form import LocalForm

    LocalForm.open(app)


def _open_interfaces(app: ConsoleApp) -> None:
    from console.screens.interfaces import InterfacesScreen

    app.push_screen(InterfacesScreen())


def _open_wizard(app: ConsoleApp) -> None:
    from console.screens.wizard import WizardCards

    WizardCards.open(app)


def _open_new_service(app: ConsoleApp) -> None:
    from console.screens.service_form import ServiceForm

    ServiceForm.open_new(app)


def _open_layer4(app: ConsoleApp) -> None:
    from console.screens.service_form import Layer4ServiceForm

    Layer4ServiceForm.open_new(app)


def _open_advanced(app: ConsoleApp) -> None:
    from console.screens.layer4_advanced_form import Layer4AdvancedForm

    Layer4AdvancedForm.open(app)


def _open_nat(app: ConsoleApp) -> None:
    from console.screens.nat import NatScreen

    app.push_screen(NatScreen())


def _home_with_hint(app: ConsoleApp) -> None:
    app.go_home()
    app.say("n makes a service or a server, e edits, x deletes, F7 reviews.", bad=False)


def _open_stored(app: ConsoleApp) -> None:
    from console.screens.stored import StoredScreen

    if app.may():
        app.push_screen(StoredScreen())


def _open_revisions(app: ConsoleApp) -> None:
    from console.screens.revisions import RevisionsScreen

    app.push_screen(RevisionsScreen())


def _open_document(app: ConsoleApp) -> None:
    from console.screens.document import DocumentScreen

    app.push_screen(DocumentScreen())


def _open_journal(app: ConsoleApp) -> None:
    from console.screens.journal import JournalScreen

    app.push_screen(JournalScreen())


def _open_layer4_status(app: ConsoleApp) -> None:
    from console.screens.layer4_status import Layer4StatusScreen

    app.push_screen(Layer4StatusScreen())


def _open_connections(app: ConsoleApp) -> None:
    from console.screens.connections import ConnectionsScreen

    app.push_screen(ConnectionsScreen())


def _open_doctor(app: ConsoleApp) -> None:
    from console.screens.doctor import DoctorScreen

    if app.may(AccessRole.OPERATOR):
        app.push_screen(DoctorScreen())


def _open_setups(app: ConsoleApp) -> None:
    from console.screens.server_setup import SetupsScreen

    app.push_screen(SetupsScreen())


def _open_about(app: ConsoleApp) -> None:
    from console.screens.about import AboutScreen

    app.push_screen(AboutScreen())
