# SPDX-License-Identifier: Apache-2.0
"""What to do on a real server so that it answers for its VIPs; pure.

In direct routing and in a tunnel packets come as the client sent them, to the VIP: the server
must take them, and must not say in ARP that the VIP is its own. With NAT its answers must come
back through this unit. Servers on which that was forgotten are the most common fault of all
load balancers of this kind, so the exact commands are given for each server, with a part that
verifies and one that undoes.

A part is a whole by itself: it may be pasted, or sent, e.g.
`ballast rip setup web web1 --part apply | ssh root@web1 sh`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from services.errors import NotFound
from services.model import Document, Forwarding
from services.model.base import Address
from services.model.layer4 import Tunnel
from services.render.setup.facts import Facts, facts_of
from services.render.setup.word import plain_word, powershell_word, shell_word
from services.systems import SYSTEM_NAMES, System

_WIDTH = 76

_SHELL = ("sh", shell_word)
_STEPS = ("steps", plain_word)
_LANGUAGES: dict[System, tuple[str, Callable[[object], str]]] = {
    **dict.fromkeys(System, _SHELL),
    System.WINDOWS: ("powershell", powershell_word),
    **dict.fromkeys((System.WINDOWS_2008, System.WINDOWS_2003, System.WINDOWS_2000), _STEPS),
}
_TEMPLATES = {
    System.WINDOWS_2003: "windows-2003.j2",
    System.WINDOWS_2000: "windows-2003.j2",
}
_REDIRECTS = frozenset({System.LINUX_NFT, System.LINUX_IPTABLES})
_UNWRAPS: dict[System, frozenset[Tunnel]] = {
    System.LINUX: frozenset(Tunnel),
    System.NETWORKD: frozenset(Tunnel),
    System.NETPLAN: frozenset(Tunnel),
    System.FREEBSD: frozenset({Tunnel.IPIP, Tunnel.GRE}),
}
"""Which tunnels each can unwrap as described here; those not named, none."""


@dataclass(frozen=True)
class Setup:
    """The help for one real server."""

    system: System
    names: tuple[str, ...]
    """Of the server, with its services: `web/web1`."""
    rip: Address
    about: tuple[str, ...]
    """Sentences: what is to be done and why, and what the commands cannot know."""
    apply: str
    """Commands or steps; empty: nothing is to be done. So the other two."""
    verify: str
    undo: str

    @property
    def title(self) -> str:
        """Which server, which system."""
        return f"{self.names[0]} ({self.rip}) on {SYSTEM_NAMES[self.system]}"


def server_setup(document: Document, rip: Address, system: System) -> Setup:
    """What to do on the real server at `rip`; raises `NotFound` if no layer 4 service has it."""
    facts = facts_of(document, rip)
    if not facts.names:
        raise NotFound(
            f"No layer 4 service has a real server at {rip}.",
            do="Servers of layer 7 services need nothing of the kind.",
        )
    cannot = _cannot(facts, system)
    given = (facts.vips or facts.gateway) and not cannot
    apply, verify, undo = (
        _part(facts, system, part) if given else "" for part in ("apply", "verify", "undo")
    )
    about = tuple(_about(facts, system)) if not cannot else (cannot,)
    return Setup(system, facts.names, rip, about, apply, verify, undo)


def as_text(setup: Setup) -> str:
    """The whole of it as a file: comments and commands."""
    lines = [f"# {setup.title}", "#"]
    for sentence in setup.about:
        lines += [f"# {line}" for line in _folded(sentence)]
    for heading, part in (
        ("Apply", setup.apply),
        ("Verify", setup.verify),
        ("Undo", setup.undo),
    ):
        if part:
            lines += ["", f"# ---- {heading} ".ljust(_WIDTH, "-"), "", part.rstrip("\n")]
    return "\n".join(lines) + "\n"


def _part(facts: Facts, system: System, part: str) -> str:
    template = _environment(system).get_template(_TEMPLATES.get(system, f"{system}.j2"))
    return template.render(facts=facts, part=part, system=system)


@cache
def _environment(system: System) -> Environment:
    return Environment(
        loader=PackageLoader("services.render.setup", package_path=""),
        undefined=StrictUndefined,
        # every field passes the quoting of its language, so a template cannot forget it
        finalize=_LANGUAGES[system][1],
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  not HTML
    )


def _cannot(facts: Facts, system: System) -> str:
    """Why this system cannot do it, with the way out; empty: it can."""
    missing = facts.tunnels - _UNWRAPS.get(system, frozenset())
    if missing:
        kinds = " and ".join(sorted(kind.value.upper() for kind in missing))
        return (
            f"{facts.names[0]} gets its packets in {kinds} tunnels, and that is not known of "
            f"{SYSTEM_NAMES[system]}. Choose another system, or DR or NAT for the service."
        )
    return ""


def _about(facts: Facts, system: System) -> Iterator[str]:
    for label, method in facts.direct:
        way = "direct routing" if method is Forwarding.DR else "a tunnel"
        yield f"{label} sends it packets by {way}, addressed to the VIP."
    if facts.vips:
        vips = ", ".join(str(vip.address) for vip in facts.vips)
        silent = "and it must not answer ARP for them" if facts.vips4 else "as its own"
        yield f"So it must take packets for {vips}, {silent}."
        if system in _REDIRECTS:
            yield (
                "They are redirected to the first address of the card they come in by: do not use "
                "this where a server tells its sites apart by address. IPv6 needs Linux 3.7 or "
                "newer."
            )
        else:
            yield (
                "The service on it must listen on the VIP as well as on its own address, or on all "
                "addresses."
            )
    yield from _about_gateway(facts)
    if not facts.vips and not facts.nat:
        yield "Nothing has to be set on it: it sees this unit as its client, and answers to it."
    if facts.vips or facts.gateway:
        yield _LASTING.get(system, "The settings outlive a restart of the server.")


def _about_gateway(facts: Facts) -> Iterator[str]:
    if not facts.nat:
        return
    services = ", ".join(facts.nat)
    if facts.gateway is None:
        yield (
            f"{services} sends it packets by NAT, and it is in no network of this unit: its way to "
            "the clients must lead through this unit, which the routers between must see to."
        )
        return
    yield (
        f"{services} sends it packets by NAT: its answers must come back through this unit, so its "
        f"default gateway must be {facts.gateway.address}."
    )
    if not facts.gateway.floating:
        yield (
            "That is the interface's own address; in a pair let a VIP in this network be the "
            "gateway, since that moves to the active unit."
        )


_LASTING = {
    System.LINUX: (
        "Addresses and routes are gone after a restart: choose the system's own network "
        "configuration instead, or have the part Apply run from a start-up script such as "
        "/etc/rc.local."
    ),
    **dict.fromkeys(
        (System.LINUX_NFT, System.LINUX_IPTABLES, System.MACOS),
        "All of it is gone after a restart: have the part Apply run from a start-up script.",
    ),
}


def _folded(sentence: str) -> Iterator[str]:
    line = ""
    for word in sentence.split():
        if line and len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    yield line
