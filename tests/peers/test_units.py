# SPDX-License-Identifier: Apache-2.0
"""Daemons as child processes: they outlive the agent, are found again, and never doubled."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from services.drivers import units as driver
from services.drivers.processes import Identity, find
from services.drivers.units import ChildUnits, UnitSpec, tail
from services.errors import Unable
from tests.netns import inside

PROJECT = Path(__file__).parents[2]

HAPROXY = """
global
    stats socket {folder}/admin.sock level admin
    {extra}
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
listen web
    bind 127.0.0.1:8080
    http-request return status 200
"""


def sleeper(folder: Path, script: str = "while :; do sleep 1; done") -> UnitSpec:
    return UnitSpec(("sh", "-c", script, str(folder / "unit")), log=folder / "unit.log")


@pytest.fixture
async def units(tmp_path: Path) -> AsyncIterator[ChildUnits]:
    found = ChildUnits({"unit": sleeper(tmp_path)})
    yield found
    await found.stop("unit")


async def until(state: Callable[[], Awaitable[bool]], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not await state():
            await asyncio.sleep(0.02)


async def test_a_daemon_outlives_its_agent_and_the_next_one_adopts_it(
    units: ChildUnits, tmp_path: Path
) -> None:
    agent = f"""
import asyncio, os, signal
from pathlib import Path
from services.drivers.units import ChildUnits, UnitSpec
async def main():
    spec = UnitSpec({sleeper(tmp_path).argv!r}, log=Path({str(tmp_path / "unit.log")!r}))
    await ChildUnits({{"unit": spec}}).start("unit")
    print((await ChildUnits({{"unit": spec}}).seen("unit")).pid, flush=True)
    os.killpg(os.getpgid(0), signal.SIGKILL)
asyncio.run(main())
"""
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", agent],
        cwd=PROJECT,
        capture_output=True,
        start_new_session=True,
        timeout=30,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    started = int(ended.stdout)
    assert (await units.seen("unit")).pids == (started,)
    await units.start("unit")
    assert (await units.seen("unit")).pids == (started,)
    await units.stop("unit")
    assert not (await units.seen("unit")).running


async def test_starts_at_the_same_time_start_one(units: ChildUnits, tmp_path: Path) -> None:
    await asyncio.gather(*(units.start("unit") for _ in range(8)))
    assert len((await units.seen("unit")).pids) == 1


async def test_a_second_one_started_by_hand_is_counted(units: ChildUnits, tmp_path: Path) -> None:
    await units.start("unit")
    stray = _started(*sleeper(tmp_path).argv)
    seen = await units.seen("unit")
    assert set(seen.pids) == {seen.pid, stray.pid}
    await units.stop("unit")
    assert stray.wait(timeout=5) == -signal.SIGTERM


async def test_it_inherits_nothing_of_the_agents(units: ChildUnits) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        try:
            await units.start("unit")
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    pid = (await units.seen("unit")).pid
    proc = Path("/proc") / str(pid)
    assert {entry.name for entry in (proc / "fd").iterdir()} == {"0", "1", "2"}
    status = dict(line.split(":\t") for line in (proc / "status").read_text().splitlines())
    assert int(status["SigBlk"], 16) == 0
    libc_own = 1 << 31 | 1 << 32  # posix_spawn itself sets these aside, see signal(7)
    assert int(status["SigIgn"], 16) & ~libc_own == 0
    assert os.getsid(pid) == pid
    environment = (proc / "environ").read_bytes().split(b"\0")
    assert {entry.partition(b"=")[0] for entry in environment if entry} == {b"PATH", b"LC_ALL"}


async def test_one_in_another_network_namespace_is_not_ours(
    units: ChildUnits, tmp_path: Path
) -> None:
    stranger = _started("unshare", "--net", *sleeper(tmp_path).argv)
    try:
        identity = sleeper(tmp_path).identity
        argv = Path("/proc") / str(stranger.pid) / "cmdline"
        await until(lambda: _told(argv.read_bytes().startswith(b"sh\0")))
        assert find(identity).masters == ()
        await units.start("unit")
        assert (await units.seen("unit")).pid != stranger.pid
    finally:
        stranger.kill()
        stranger.wait()


async def test_one_of_another_account_is_not_ours(units: ChildUnits, tmp_path: Path) -> None:
    stranger = _started(*sleeper(tmp_path).argv, user=65534)
    try:
        assert find(sleeper(tmp_path).identity).masters == ()
        await units.stop("unit")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_one_that_changes_its_account_is_found_again_and_ended(tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY.format(folder=tmp_path, extra="user nobody"))
    argv = ("haproxy", "-db", "-f", str(config))
    units = {"haproxy": UnitSpec(argv, log=tmp_path / "log", account="nobody")}

    async def whole() -> None:
        first = ChildUnits(units)
        await first.start("haproxy")
        try:
            await until(lambda: _told(_answers()))
            [pid] = (await first.seen("haproxy")).pids
            assert Path(f"/proc/{pid}").stat().st_uid == 65534
            later = ChildUnits(units)
            await later.start("haproxy")
            assert (await later.seen("haproxy")).pids == (pid,)
        finally:
            await first.stop("haproxy")
        assert not _answers()

    inside(whole)


async def test_what_does_not_listen_is_killed_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "TERM_S", 0.3)
    units = ChildUnits({"unit": sleeper(tmp_path, "trap '' TERM; while :; do sleep 1; done")})
    await units.start("unit")
    began = time.monotonic()
    await units.stop("unit")
    assert 0.3 <= time.monotonic() - began < 3
    assert not (await units.seen("unit")).running


async def test_a_missing_program_or_log_folder_is_told_with_its_remedy(tmp_path: Path) -> None:
    units = ChildUnits(
        {
            "absent": UnitSpec(("no-such-daemon",), log=tmp_path / "log", do="Install it."),
            "mute": UnitSpec(("sleep", "60.125"), log=tmp_path / "no" / "log"),
        }
    )
    with pytest.raises(Unable, match=r"no-such-daemon is not installed\. Install it\."):
        await units.start("absent")
    with pytest.raises(Unable, match=r"No such file or directory.*a folder the agent may write"):
        await units.start("mute")


async def test_a_hostile_log_reaches_an_error_bounded_and_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "SETTLE_S", 5)  # a busy machine takes longer to print all that
    script = r"printf '\033]0;title\007[b]\n'; head -c 100000 /dev/zero; echo end >&2; exit 3"
    units = ChildUnits({"unit": sleeper(tmp_path, script)})
    with pytest.raises(Unable, match="unit ended with status 3 at once") as caught:
        await units.start("unit")
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < driver.TAIL + 100
    assert caught.value.what.endswith("end")


async def test_only_the_words_of_this_start_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "SETTLE_S", 5)
    (tmp_path / "unit.log").write_text("old trouble\n")
    units = ChildUnits({"unit": sleeper(tmp_path, "echo new trouble; exit 1")})
    with pytest.raises(Unable) as caught:
        await units.start("unit")
    assert caught.value.what.endswith(": new trouble")


async def test_a_long_log_begins_anew(units: ChildUnits, tmp_path: Path) -> None:
    log = tmp_path / "unit.log"
    log.write_bytes(b"x" * (driver.LOG_LIMIT + 1))
    await units.start("unit")
    assert log.stat().st_size == 0
    assert tail(log) == ""


def test_an_identity_is_program_and_mark_side_by_side() -> None:
    identity = Identity("haproxy", ("-S", "/run/a.sock"))
    assert identity.matches(["/usr/sbin/haproxy", "-sf", "7", "-W", "-S", "/run/a.sock"])
    assert not identity.matches(["haproxy", "-W", "-S", "/run/b.sock"])
    assert not identity.matches(["haproxy", "-S", "-W", "/run/a.sock"])
    assert not identity.matches(["vim", "-S", "/run/a.sock"])
    assert not identity.matches([])
    assert Identity("sleep", ()).matches(["sleep"])
    assert not Identity("sleep", ()).matches(["sleep", "1"])


@pytest.mark.parametrize("ending", ["asked", "killed"])
def test_haproxy_is_one_master_through_reloads_and_ends_whole(ending: str, tmp_path: Path) -> None:
    config, master = tmp_path / "haproxy.cfg", tmp_path / "master.sock"
    config.write_text(HAPROXY.format(folder=tmp_path, extra=""))
    argv = ("haproxy", "-W", "-S", f"{master},mode,600", "-f", str(config))
    spec = UnitSpec(argv, log=tmp_path / "log")

    async def reloads(units: ChildUnits) -> None:
        await until(lambda: _told(master.exists() and _answers()))
        pid = (await units.seen("haproxy")).pid
        # a connection that keeps the old worker alive through the reloads
        with socket.create_connection(("127.0.0.1", 8080)):
            for _ in range(2):
                # the socket is away while the master replaces itself
                await until(lambda: asyncio.to_thread(_ask, master, "reload"))
                for _ in range(20):
                    assert (await units.seen("haproxy")).pids == (pid,)
                await until(lambda: _told(_answers()))
            await until(lambda: _told(len(find(spec.identity).family) >= 3))
            assert (await ChildUnits({"haproxy": spec}).seen("haproxy")).pids == (pid,)
            if ending == "killed":
                os.kill(pid, signal.SIGSTOP)  # it does not listen any more
                driver.TERM_S = 0.3
            await units.stop("haproxy")
        assert find(spec.identity).family == frozenset()
        assert not _answers()

    async def whole() -> None:
        units = ChildUnits({"haproxy": spec})
        await units.start("haproxy")
        try:
            await reloads(units)
        finally:
            await units.stop("haproxy")

    inside(whole)


def test_a_haproxy_that_dislikes_its_file_is_refused_with_its_words(tmp_path: Path) -> None:
    async def whole() -> None:
        config = tmp_path / "haproxy.cfg"
        config.write_text(HAPROXY.format(folder=tmp_path, extra="nosuchkeyword"))
        argv = ("haproxy", "-W", "-S", str(tmp_path / "master.sock"), "-f", str(config))
        units = ChildUnits({"haproxy": UnitSpec(argv, log=tmp_path / "log")})
        with pytest.raises(Unable, match="nosuchkeyword"):
            await units.start("haproxy")
        assert not (await units.seen("haproxy")).running

    inside(whole)


def _started(*argv: str, user: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, user=user, group=user)


async def _told(state: bool) -> bool:
    return state


def _answers() -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", 8080), timeout=1) as asking:
        asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b" 200" in asking.recv(20)
    return False


def _ask(path: Path, line: str) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(5)
        try:
            asking.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        asking.sendall(f"{line}\n".encode())
        asking.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while asking.recv(4096):
                pass
    return True
