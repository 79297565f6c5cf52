# SPDX-License-Identifier: Apache-2.0
"""Questions on a wire with other machines: who counts as an owner, and what a question leaves."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field

from services.drivers import frames, probe
from services.drivers.links import KernelLinks
from services.drivers.probe import Probed
from tests.cases import Case, Cases
from tests.netns import Namespace, cable, inside, ip

V4, V6 = "192.0.2.77", "2001:db8::77"
STRANGER = bytes.fromhex("020000000099")


@dataclass
class Wire:
    """eth0 and eth1 of ours on one switch, which is a machine with addresses too."""

    links: KernelLinks = field(default_factory=KernelLinks)
    far: Namespace = field(default_factory=Namespace)

    def __post_init__(self) -> None:
        for card in ("eth0", "eth1"):
            cable(card, f"to-{card}", self.far)
            ip(f"link set {card} up")
        with self.far.entered():
            ip("link add wire type bridge mcast_snooping 0", "link set wire up")
            ip(*(f"link set to-{card} master wire" for card in ("eth0", "eth1")))
            ip("addr add 192.0.2.9/24 dev wire", "addr add 2001:db8::9/64 dev wire nodad")
            self.stranger = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.stranger.bind(("wire", 0))

    async def ready(self) -> None:
        async with asyncio.timeout(5):
            while not all(d.carrier for d in (await self.links.seen()).devices.values()):
                await asyncio.sleep(0.01)


case: Cases[Wire] = Cases()


@case.each
def test_on_a_wire(case: Case[Wire]) -> None:
    async def whole() -> None:
        wire = Wire()
        await wire.ready()
        await case(wire)
        await wire.links.aclose()

    inside(whole)


@case
async def an_address_on_another_card_of_ours_is_free_to_be_moved(wire: Wire) -> None:
    ip(f"addr add {V4}/24 dev eth1", f"addr add {V6}/64 dev eth1 nodad")
    for address in (V4, V6):
        assert await wire.links.probe("eth0", address) == Probed(carrier=True)


@case
async def who_asks_for_the_same_address_at_the_same_moment_has_it(wire: Wire) -> None:
    asked = {
        V4: frames.arp_question(STRANGER, socket.inet_aton(V4)),
        V6: frames.solicitation(STRANGER, socket.inet_pton(socket.AF_INET6, V6)),
    }
    for address, frame in asked.items():
        asking = asyncio.create_task(wire.links.probe("eth0", address))
        while not asking.done():
            wire.stranger.send(frame)
            await asyncio.sleep(0.02)
        assert asking.result().owner == STRANGER.hex(":")


@case
async def an_answer_ends_the_wait_and_silence_takes_its_time(wire: Wire) -> None:
    began = time.monotonic()
    assert (await wire.links.probe("eth0", "192.0.2.9")).owner
    assert time.monotonic() - began < probe.INTERVAL_S
    began = time.monotonic()
    assert not (await wire.links.probe("eth0", V4)).owner
    assert time.monotonic() - began >= probe.ROUNDS * probe.INTERVAL_S * 0.9


@case
async def rubbish_and_frames_about_others_are_no_answer(wire: Wire) -> None:
    other = socket.inet_aton("192.0.2.78")
    rubbish = b"\xff" * 6 + STRANGER + b"\x08\x06" + b"\xff" * 50
    asking = asyncio.create_task(wire.links.probe("eth0", V4))
    while not asking.done():
        for frame in (rubbish, rubbish[:14], *frames.arp_frames(STRANGER, other)):
            wire.stranger.send(frame)
        await asyncio.sleep(0.01)
    assert asking.result() == Probed(carrier=True)


@case
async def no_neighbour_learns_anything_from_a_question(wire: Wire) -> None:
    for address in (V4, V6, "192.0.2.9", "2001:db8::9"):
        await wire.links.probe("eth0", address)
    mac = (await wire.links.seen()).devices["eth0"].mac
    with wire.far.entered():
        told = [line for line in ip("neigh show dev wire").splitlines() if mac in line]
    assert [line for line in told if not line.startswith("fe80")] == []
