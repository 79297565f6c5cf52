# SPDX-License-Identifier: Apache-2.0
"""Clients, the appliance and real servers of one test: where layer 4 carries traffic.

The child's own network namespace is the appliance, so our driver needs no telling where it
stands.

    @on_site()
    async def test_a_server_answers(site: Site) -> None:
        await follow(service(dest(1)))
        assert (await site.call()).server == "web1"
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Concatenate, ParamSpec, Self

from tests.kernel.guest.calls import WITHIN_S, Answer, Call, Datagrams, called
from tests.kernel.guest.lan import CLIENTS, OWN, VIP, Lan, carry_vips, lan, set_switches
from tests.kernel.guest.machines import answering
from tests.netns import Namespace, inside

Given = ParamSpec("Given")

PORT = 80
_LB = "lb"


def tune(**switches: int) -> None:
    """Set switches of the appliance's IPVS, e.g. `tune(expire_nodest_conn=1)`."""
    set_switches({f"ipv4/vs/{name}": value for name, value in switches.items()})


class Site:
    """The appliance at a LAN whose servers answer; made where the appliance is to be."""

    def __init__(self, at: Lan, ports: Sequence[int]) -> None:
        self.lan = at
        self._ports = tuple(ports)
        self._plugged = True
        self._left = AsyncExitStack()

    async def __aenter__(self) -> Self:
        # a descriptor: the process's own entry changes with where it stands
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._left.callback(os.close, home)
        self.lan.plug_in(f"/proc/{os.getpid()}/fd/{home}", _LB, OWN)
        self._left.callback(self.unplug)
        carry_vips()
        for number, machine in enumerate(self.lan.servers, start=1):
            await self.answering(machine, f"web{number}", self.lan.addresses(number))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._left.aclose()

    def unplug(self) -> None:
        """Take the appliance off the LAN."""
        if self._plugged:
            self.lan.unplug(_LB)
        self._plugged = False

    async def answering(
        self,
        machine: Namespace | None,
        name: str,
        addresses: Sequence[str],
        ports: Sequence[int] = (),
    ) -> None:
        """Let a machine answer as `name` to the end of the test; None: the appliance."""
        await self._left.enter_async_context(
            answering(machine, name, addresses, ports or self._ports)
        )

    async def call(
        self, client: int = 0, *, version: int = 4, port: int = PORT, within_s: float = WITHIN_S
    ) -> Call:
        """A TCP connection of a client's to the VIP; raises `TimeoutError`, `OSError`."""
        source, to = CLIENTS[version][client], (VIP[version], port)
        call = await called(self.lan.clients, source, to, within_s=within_s)
        self._left.callback(call.close)
        return call

    async def answer(self, client: int = 0, *, version: int = 4, port: int = PORT) -> Answer:
        """Who answers a connection that is closed at once."""
        call = await self.call(client, version=version, port=port)
        call.close()
        return call.answer

    def datagrams(self, client: int = 0, *, version: int = 4, port: int = PORT) -> Datagrams:
        """One UDP port of a client's that talks to the VIP."""
        talk = Datagrams(self.lan.clients, CLIENTS[version][client], (VIP[version], port))
        self._left.callback(talk.close)
        return talk


def on_site(
    *, through: bool = False, ports: Sequence[int] = (PORT,)
) -> Callable[[Callable[Concatenate[Site, Given], Awaitable[None]]], Callable[Given, None]]:
    """Run a coroutine test at a site of its own; what else it takes, pytest gives it."""

    def around(
        test: Callable[Concatenate[Site, Given], Awaitable[None]],
    ) -> Callable[Given, None]:
        async def whole(at: Lan, *args: Any, **given: Any) -> None:
            async with Site(at, ports) as site:
                await test(site, *args, **given)

        @functools.wraps(test)
        def run(*args: Given.args, **given: Given.kwargs) -> None:
            at = lan(through=through)  # before the child is born, so that it outlives it
            inside(lambda: whole(at, *args, **given))

        shown = inspect.signature(test)
        rest = list(shown.parameters.values())[1:]
        run.__signature__ = shown.replace(parameters=rest)  # type: ignore[attr-defined]
        return run

    return around
