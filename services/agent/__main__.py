# SPDX-License-Identifier: Apache-2.0
"""`ballast-agent`: put the parts together and serve the socket."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import grp
import importlib.metadata
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from services.agent.appliance import Appliance
from services.agent.changing import Changing
from services.agent.doctor import Doctor
from services.agent.drafts import Drafts
from services.agent.health import HealthBook
from services.agent.journal import Journal
from services.agent.keeping import Keeping
from services.agent.loop import keep
from services.agent.observer import Observer
from services.agent.parts import Parts
from services.agent.peer import PeerProtocol
from services.agent.probing import Probing
from services.agent.routes import application
from services.agent.stored import Stored
from services.agent.window import WindowFile
from services.drivers import iproute, notify
from services.drivers.checks import HaproxyChecks, checks_unit
from services.drivers.files import DiskFiles
from services.drivers.haproxy import MasterHaproxy, haproxy_unit
from services.drivers.host import KernelHost
from services.drivers.ipvs import KernelIpvs
from services.drivers.ipvs_conn import ConnectionTable, KernelConnections
from services.drivers.links import KernelLinks
from services.drivers.nft import KernelNft
from services.drivers.power import NoPower, SystemdPower
from services.drivers.probe_jobs import Probes, SocketProbes, probe_unit
from services.drivers.sysctl import KernelSysctls
from services.drivers.units import ChildUnits, Units, tail
from services.drivers.wire import KernelWire
from services.errors import ApplianceError, Unable
from services.follow import Drivers
from services.render import Place
from services.store import Store

log = logging.getLogger("ballast.agent")

SOCKET_GROUP = "ballast"
"""Members may open the socket; what they may do then is their role's."""


GARBAGE_AFTER = 20_000
"""New objects until the collector looks at them."""


SWITCH_S = 0.0005
"""How long a thread may keep the loop waiting; Python's own 5 ms is half a look."""


AFTER_S = 240.0
"""More than systemd gives ballast-names.service, which begins a minute later on a slow machine,
and less than it gives the agent."""
LOOK_S = 0.05

FIRST_PASS_S = 30.0
"""A unit on which something hangs must be reachable all the same, and soon enough for systemd."""


@dataclass(frozen=True)
class Settings:
    """Where the agent keeps its things and who runs the daemons."""

    state: Path
    run: Path
    etc: Path
    units: str
    after: Path | None = None
    """Nothing is looked at or changed before this file is there, see `_await_file`."""

    @property
    def socket(self) -> Path:
        """Where the agent listens."""
        return self.run / "agent.sock"

    @property
    def damage(self) -> Path:
        """What the boot says of a data partition it could not use."""
        return self.run / "data-broken"


def real_drivers(settings: Settings, place: Place) -> Drivers:
    """The doors to this machine's kernel and daemons."""
    iproute.load()
    units = _units(settings, place)
    return Drivers(
        files=DiskFiles(),
        links=KernelLinks(),
        haproxy=MasterHaproxy(place, units),
        host=KernelHost(),
        sysctls=KernelSysctls(),
        ipvs=KernelIpvs(),
        nft=KernelNft(),
        checks=HaproxyChecks(place, units),
    )


def _units(settings: Settings, place: Place) -> Units:
    if settings.units == "child":
        scripts = Stored(settings.state).scripts
        return ChildUnits(
            {
                "haproxy": haproxy_unit(place),
                "checks": checks_unit(place),
                "probe": probe_unit(place, scripts),
            }
        )
    from services.drivers.systemd import SystemdUnits

    return SystemdUnits()


async def serve(
    settings: Settings,
    drivers_for: Callable[[Settings, Place], Drivers] = real_drivers,
    connections: ConnectionTable | None = None,
    probes: Probes | None = None,
) -> None:
    """Run the agent until it is told to end; raises `ApplianceError` if it cannot begin."""
    held = _only_one(settings)
    place = Place(run=settings.run, etc=settings.etc, account=_account())
    for folder in (place.haproxy, place.checks):
        Path(folder).mkdir(mode=0o750, exist_ok=True)
    drivers = drivers_for(settings, place)
    journal = Journal(settings.state / "journal.jsonl")
    drafts = Drafts(settings.state / "drafts")
    store = Store(settings.state / "revisions")
    stored = Stored(settings.state)
    appliance = Appliance(
        store=store,
        place=place,
        journal=journal,
        window_file=WindowFile(settings.state / "pending.json"),
    )
    changing = Changing(appliance, drivers, journal, store=store, drafts=drafts, stored=stored)
    keeping = Keeping(appliance, changing, drivers, journal)
    if damage := tail(settings.damage):
        appliance.notices["data"] = damage
    version = importlib.metadata.version("ballast")
    probing = Probing(probes or SocketProbes(place, _units(settings, place)), stored.secret_of)
    book = HealthBook(appliance, keeping, drivers.checks, probing, journal)
    observer = Observer(appliance, drivers, book, version=version)
    doctor = Doctor(KernelWire(), lambda: appliance.running.document)
    power = SystemdPower() if settings.units == "systemd" else NoPower()
    app = application(
        Parts(
            appliance,
            changing,
            observer,
            book,
            drafts,
            journal,
            store,
            power,
            drivers.links,
            connections or KernelConnections(),
            doctor,
            stored,
        )
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=PeerProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )
    listening = _listen(settings.socket)
    _calm_collector()
    await _await_file(settings.after)
    with suppress(ApplianceError):
        # what the checks know already, before anybody writes a weight
        await book.look(start=False)
    passed = asyncio.Event()
    tasks = [asyncio.create_task(keep(keeping, passed)), asyncio.create_task(book.keep())]
    await _await_first_pass(passed)
    log.info("serving on %s, revision %d", settings.socket, appliance.running.revision)
    notify.ready(f"Revision {appliance.running.revision}")
    try:
        await server.serve(sockets=[listening])
    finally:
        notify.stopping()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await book.aclose()
        await drivers.links.aclose()
        settings.socket.unlink(missing_ok=True)
        os.close(held)


async def _await_file(after: Path | None) -> None:
    """Wait until the file is there; after `AFTER_S` go on without it.

    Loading takes the agent most of its start. So the service manager starts it beside all that
    must come first, and leaves this file when that is there.
    """
    give_up_at = time.monotonic() + AFTER_S
    while after is not None and not after.exists():
        if time.monotonic() > give_up_at:
            log.warning("%s has not appeared; going on without it", after)
            return
        await asyncio.sleep(LOOK_S)


async def _await_first_pass(passed: asyncio.Event) -> None:
    """Nobody is told that the network is there, or shown figures, before the addresses are up.

    What could not be made as configured by then is a notice, and the loop goes on trying.
    """
    try:
        await asyncio.wait_for(passed.wait(), FIRST_PASS_S)
    except TimeoutError:
        log.warning("the first pass takes more than %g s; serving beside it", FIRST_PASS_S)


def _calm_collector() -> None:
    """Keep Python's garbage collector out of the way of an apply.

    What has been loaded stays for good, so nobody need look at it again: 50 ms each time. A
    document is thousands of objects that live, so looking after every 700 finds nothing. On an
    appliance it has not worked at all until now.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    gc.enable()
    sys.setswitchinterval(SWITCH_S)


def _only_one(settings: Settings) -> int:
    """Hold the state folder: two agents would undo each other. The lock dies with us."""
    try:
        settings.state.mkdir(mode=0o750, parents=True, exist_ok=True)
        settings.run.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(settings.state / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise Unable(
            f"The agent cannot use {error.filename}: {error.strerror}.",
            do="Start it as root, or name other folders with --state and --run.",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise Unable(
            f"Another agent already keeps {settings.state}.", do="End that one first."
        ) from error
    return lock


def _account() -> str | None:
    """HAProxy's account, or None in a user namespace, where no second one is mapped."""
    mapped = Path("/proc/self/uid_map").read_text().split()
    return "haproxy" if int(mapped[2]) > 1 else None


def _listen(path: Path) -> socket.socket:
    """A listening socket nobody but root and the group can open, from its first moment on."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    # a user namespace maps no group but our own, and its owner opens the socket anyway
    with suppress(KeyError, OSError):
        group = grp.getgrnam(SOCKET_GROUP).gr_gid
        os.chown(path, -1, group)
        os.chown(path.parent, -1, group)
    listening.listen(128)
    return listening


def _settings(argv: list[str]) -> Settings:
    parser = argparse.ArgumentParser(prog="ballast-agent", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("/var/lib/ballast"))
    parser.add_argument("--run", type=Path, default=Path("/run/ballast"))
    parser.add_argument("--etc", type=Path, default=Path("/etc"))
    parser.add_argument("--units", choices=("systemd", "child"), default="systemd")
    parser.add_argument("--after", type=Path, help="begin when this file is there")
    found = parser.parse_args(argv)
    return Settings(found.state, found.run, found.etc, found.units, found.after)


def main() -> None:
    """Entry point; exits 0 when told to end, 3 when the agent cannot begin."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    settings = _settings(sys.argv[1:])
    try:
        asyncio.run(serve(settings))
    except ApplianceError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
