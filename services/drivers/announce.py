# SPDX-License-Identifier: Apache-2.0
"""Tell the neighbours where an address lives now: gratuitous ARP, unsolicited advertisement.

Without it a router sends to the old unit's card until its table forgets, minutes long. Each
address is told five times, 200 ms apart, since these packets have no answer and may be lost.
ARP goes out as a request and as a reply, because some devices learn from only one of them.
The frames are built whole and leave through a packet socket: so the advertisement's source
is the address itself, whatever the kernel thinks of a link-local address that is still
tentative.

A card that has just been brought up needs seconds to find its partner. An address on a card
without carrier therefore waits, up to ten seconds, instead of talking to nobody.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.drivers.frames import advertisement_frame, arp_frames
from services.drivers.rtnetlink import IPV4_BYTES, split
from services.errors import Unable
from services.plan.state import AddressKey, Device

log = logging.getLogger(__name__)

ROUNDS = 5
INTERVAL_S = 0.2
CARRIER_WAIT_S = 10.0
SEND_S = 0.1
"""How long one frame may wait for room in the card's queue."""

_HARMLESS = {errno.ENETDOWN, errno.ENXIO, errno.ENODEV, errno.ENOBUFS, errno.EAGAIN}


@dataclass
class _Telling:
    """What is left to tell of one address."""

    rounds: int
    until: float
    """By the monotonic clock: when to give up waiting for a carrier."""


class Announcer:
    """Tells each address several times in the background, and falls silent when told to."""

    def __init__(self, devices: Callable[[], Mapping[str, Device]]) -> None:
        """`devices` reads the cards as they are; it blocks and may raise `Unable`."""
        self._devices = devices
        self._left: dict[AddressKey, _Telling] = {}
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def announce(self, keys: Iterable[AddressKey]) -> None:
        """Return after the first round; the others follow in the background.

        Raises `Unable` if packets may not be sent at all.
        """
        fresh = tuple(keys)
        until = time.monotonic() + CARRIER_WAIT_S
        self._left.update({key: _Telling(ROUNDS, until) for key in fresh})
        await self._round(fresh)
        if self._left and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._repeat())

    async def forget(self, keys: Iterable[AddressKey]) -> None:
        """Say nothing more of these: once this returns, the other unit may speak for them."""
        for key in keys:
            self._left.pop(key, None)
        async with self._sending:
            pass

    async def aclose(self) -> None:
        """Fall silent."""
        self._left.clear()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _repeat(self) -> None:
        while self._left:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self._round(tuple(self._left))
            except Unable as error:
                log.warning("announcing stopped: %s", error)
                self._left.clear()

    async def _round(self, keys: tuple[AddressKey, ...]) -> None:
        async with self._sending:
            keys = tuple(key for key in keys if key in self._left)
            told = await asyncio.to_thread(self._tell, keys) if keys else set()
        now = time.monotonic()
        for key in keys:
            telling = self._left.get(key)
            if telling is None:
                continue
            telling.rounds -= key in told
            if telling.rounds <= 0 or (key not in told and now > telling.until):
                del self._left[key]

    def _tell(self, keys: tuple[AddressKey, ...]) -> set[AddressKey]:
        """One round, blocking; returns which keys have been told."""
        devices = self._devices()
        ready = {
            name: (bytes.fromhex(device.mac.replace(":", "")), _forwards(name))
            for name, device in devices.items()
            if device.carrier and len(device.mac) == len("00:00:00:00:00:00")
        }
        told: set[AddressKey] = set()
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
                wire.settimeout(SEND_S)
                for key in keys:
                    if key.device not in ready:
                        continue
                    mac, router = ready[key.device]
                    if _send(wire, key, mac, router=router):
                        told.add(key)
        except OSError as error:
            raise Unable(
                f"Addresses cannot be announced to the neighbours: {error.strerror}.",
                do="Run the agent as root (it needs CAP_NET_RAW).",
            ) from error
        return told


def _send(wire: socket.socket, key: AddressKey, mac: bytes, *, router: bool) -> bool:
    """Send one address's frames; False if the card does not take them now."""
    address, _ = split(key.address)
    frames: tuple[bytes, ...] = (
        arp_frames(mac, address)
        if len(address) == IPV4_BYTES
        else (advertisement_frame(mac, address, router=router),)
    )
    try:
        for frame in frames:
            wire.sendto(frame, (key.device, 0))
    except TimeoutError:
        return False
    except OSError as error:
        if error.errno in _HARMLESS:
            return False
        raise
    return True


def _forwards(device: str) -> bool:
    path = Path("/proc/sys/net/ipv6/conf") / device / "forwarding"
    try:
        return path.read_text().strip() not in {"", "0"}
    except OSError:
        return False
