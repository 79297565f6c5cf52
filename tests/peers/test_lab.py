# SPDX-License-Identifier: Apache-2.0
"""The lab keeps its promises: real traffic inside, nothing outside, nothing afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from services.errors import CommandFailed, Unable
from services.model import Document
from tests.lab import Lab, Layout
from tests.lab.agent import first_document
from tests.lab.client import Target, targets_in, targets_of
from tests.lab.control import ROOT, Ended, Place
from tests.lab.folder import find, living, new_folder, remove_remains
from tests.poll import eventually


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=3, spares=1) as lab:
        yield lab


@pytest.fixture
def wire(lab: Lab) -> Iterator[Lab]:
    """The lab with a client that asks web1 and web2 directly; counting starts anew."""
    (lab.folder / "client.json").unlink(missing_ok=True)
    lab.start_traffic(["192.168.2.101:80", "[fd00:2::102]:80"])
    yield lab
    lab.stop_traffic()


def fetch(place: Place, *words: str) -> str:
    return place.run(["curl", "-s", "--max-time", "5", *words], timeout_s=10).stdout


# ---------------------------------------------------------------------------- what is inside


def test_every_real_server_answers_with_its_name_over_both_families(lab: Lab) -> None:
    for server in lab.layout.real_servers:
        for host in (server.ipv4, f"[{server.ipv6}]"):
            answer = fetch(lab.client, "-i", f"http://{host}/")
            assert f"X-Served-By: {server.name}\r\n" in answer
            assert f"\r\n\r\n{server.name} answers " in answer


def test_a_real_server_answers_health_checks_and_measured_bodies(lab: Lab) -> None:
    assert fetch(lab.client, "http://192.168.2.101/health") == "ok\n"
    assert len(fetch(lab.client, "http://192.168.2.101/bytes?n=100000")) == 100_000
    assert "404" in fetch(lab.client, "-I", "http://192.168.2.101/elsewhere")
    assert "400" in fetch(lab.client, "-i", "http://192.168.2.101/bytes?n=many")
    posted = fetch(lab.client, "--data", "x" * 70_000, "http://192.168.2.101/")
    assert posted.startswith("web1 answers")


def test_a_slow_answer_takes_as_long_as_asked(lab: Lab) -> None:
    timing = ["-w", " %{time_total}", "http://192.168.2.101/slow?s=1"]
    body, took = fetch(lab.client, *timing).rsplit(" ", 1)
    assert body == "web1\n"
    assert 0.9 < float(took) < 4


def test_a_real_server_keeps_a_connection_for_several_requests(lab: Lab) -> None:
    urls = ["http://192.168.2.101/", "http://192.168.2.101/health"]
    told = fetch(lab.client, "-w", "%{num_connects};", *urls)
    assert told.split(";")[0].endswith("1")
    assert told.split(";")[1].endswith("0")


def test_the_appliance_finds_four_cards_up_and_bare(lab: Lab) -> None:
    links = json.loads(lab.appliance.run(["ip", "-j", "address"], timeout_s=5).stdout)
    cards = {link["ifname"]: link for link in links if link["ifname"] != "lo"}
    assert sorted(cards) == ["eth0", "eth1", "eth2", "eth3"]
    for card in cards.values():
        assert "LOWER_UP" in card["flags"]
        assert [a for a in card["addr_info"] if a["scope"] == "global"] == []


def test_the_appliance_has_the_kernel_settings_of_the_image(lab: Lab) -> None:
    told = lab.appliance.run(
        [
            *("sysctl", "-n", "net.ipv4.ip_nonlocal_bind", "net.ipv6.ip_nonlocal_bind"),
            *("net.ipv4.tcp_tw_reuse", "net.ipv4.conf.all.arp_notify"),
            *("net.ipv4.ip_local_port_range", "net.unix.max_dgram_qlen"),
        ],
        timeout_s=5,
    ).stdout
    assert told.split() == ["1", "1", "1", "1", "1024", "65535", "4096"]


def test_each_machine_has_its_own_name_and_devices(lab: Lab) -> None:
    told = lab.place("web2").run(["sh", "-c", "hostname; ls /sys/class/net"], timeout_s=5).stdout
    assert told.split() == ["web2", "eth0", "lo"]


# ------------------------------------------------------------------------------- the client


def test_the_client_sends_a_steady_trickle_and_says_who_answered(wire: Lab) -> None:
    counts = eventually(lambda: wire.traffic.get("requests", 0) >= 60 and wire.traffic)
    assert 20 <= counts["rate_per_s"] <= 40
    assert counts["failed"] == 0
    assert set(counts["answered"]) == {"web1", "web2"}
    sources = counts["last_server"]["192.168.2.101:80"]
    assert len(sources) == 8, "every client address is used"


def test_the_client_keeps_some_connections(wire: Lab) -> None:
    # the client's idle connections are the only established ones of this quiet network
    def kept() -> bool:
        argv = ["ss", "-Htn", "state", "established", "( dport = :80 )"]
        first = set(wire.client.run(argv, timeout_s=5).stdout.splitlines())
        time.sleep(0.5)
        return bool(first & set(wire.client.run(argv, timeout_s=5).stdout.splitlines()))

    if shutil.which("ss") is None:
        pytest.fail("iproute2 has no ss")
    assert eventually(kept)


def test_a_killed_server_shows_as_failures_until_it_is_started_again(wire: Lab) -> None:
    eventually(lambda: wire.traffic.get("answered", {}).get("web1", 0) > 5)
    assert wire.server("web1").kill() == -signal.SIGKILL
    failed = eventually(lambda: wire.traffic["failed"] > 3 and wire.traffic)
    assert "192.168.2.101:80" in failed["last_error"]
    assert "failed" not in failed["by_target"]["[fd00:2::102]:80"]
    wire.server("web1").start()
    before = wire.traffic["answered"]["web1"]
    eventually(lambda: wire.traffic["answered"]["web1"] > before + 5)


def test_the_client_follows_its_list_while_it_runs(wire: Lab) -> None:
    wire.follow_urls(["192.168.2.103:80"])
    eventually(lambda: wire.traffic.get("answered", {}).get("web3", 0) > 5)


def test_the_client_reads_the_agents_document() -> None:
    document = Document.model_validate(first_document(Layout(2))).model_dump(mode="json")
    assert targets_of(document) == (Target("192.168.2.100", 80),)
    document["cluster"]["layer7"][0] |= {"addresses": ["fd00:2::100"], "ports": "80,90-99"}
    wanted = [Target("fd00:2::100", port) for port in (80, 90, 91, 92)]
    assert targets_of(document) == tuple(wanted)
    assert targets_in("[fd00:2::100]:80\n\n192.168.2.9:81\n") == (
        Target("fd00:2::100", 80),
        Target("192.168.2.9", 81),
    )


# --------------------------------------------------------------------------- programs in it


def test_a_program_gets_its_input_and_gives_back_both_streams_and_its_status(lab: Lab) -> None:
    done = lab.appliance.run(
        ["sh", "-c", "cat; echo bad >&2; exit 3"], stdin="words", timeout_s=5, accept=(3,)
    )
    assert (done.status, done.stdout, done.stderr) == (3, "words", "bad\n")
    with pytest.raises(CommandFailed, match=r"sh failed with status 3: bad\."):
        lab.appliance.run(["sh", "-c", "echo bad >&2; exit 3"], timeout_s=5)


def test_a_program_that_is_not_there_is_named(lab: Lab) -> None:
    with pytest.raises(Unable, match="No such file or directory: no-such-program"):
        lab.appliance.run(["no-such-program"], timeout_s=5)


def test_a_program_out_of_time_is_killed_with_its_children(lab: Lab) -> None:
    marker = ["sleep", "4711"]
    with pytest.raises(CommandFailed, match=r"did not finish in 0\.5 s"):
        lab.appliance.run(["sh", "-c", "sleep 4711 & sleep 4711"], timeout_s=0.5)
    eventually(lambda: marker not in list(commands(lab)))


def test_an_orphan_runs_on_as_the_first_processes_child_and_is_reaped(
    lab: Lab, tmp_path: Path
) -> None:
    note = tmp_path / "daemon"
    parent = lab.appliance.spawn(
        ["sh", "-c", f"setsid sleep 1234 & echo $! > {note}; wait"], log=tmp_path / "log"
    )
    daemon = int(eventually(lambda: note.exists() and note.read_text()))
    parent.signal(signal.SIGKILL)
    assert parent.wait(5) == -signal.SIGKILL

    host = lab.control.host_pid(daemon)
    # setsid becomes it
    eventually(lambda: Path(f"/proc/{host}/cmdline").read_text() == "sleep\x001234\x00")
    told = Path(f"/proc/{host}/status").read_text()
    assert f"PPid:\t{lab.control.init_pid}\n" in told
    lab.appliance.run(["kill", str(daemon)], timeout_s=5)
    eventually(lambda: not Path(f"/proc/{host}").exists())


def test_a_spawned_program_writes_to_its_log_and_can_be_killed(lab: Lab, tmp_path: Path) -> None:
    process = lab.client.spawn(["sh", "-c", "hostname; sleep 1000"], log=tmp_path / "log")
    eventually(lambda: (tmp_path / "log").read_text() == "client\n")
    process.kill()
    assert process.wait(5) == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        _ = process.host_pid


def test_a_command_can_keep_this_terminal_and_stand_in_the_appliance(lab: Lab) -> None:
    argv = [
        *lab.appliance.enter_argv(),
        "sh",
        "-c",
        "hostname; cat /proc/1/comm; ls /sys/class/net",
    ]
    told = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout
    assert told.split()[0] == "appliance"
    assert "eth3" in told.split()


def commands(lab: Lab) -> Iterator[list[str]]:
    for pid in processes(lab.control.init_pid):
        with suppress(OSError):
            yield Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


# ------------------------------------------------------------------------ nothing afterwards

LAUNCHER = """
import signal, sys
from tests.lab import Lab
from tests.lab.terminal import end_by_exception
end_by_exception()
with Lab(servers=2, spares=0) as lab:
    lab.start_traffic(["192.168.2.101:80"])
    print(lab.folder, lab.control.init_pid, flush=True)
    signal.pause()
"""


def processes(init: int) -> frozenset[int]:
    """Every process that lives in the process namespace of `init`, as numbered here."""
    found = set()
    with suppress(OSError):
        space = Path(f"/proc/{init}/ns/pid").readlink()
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (path / "ns/pid").readlink() == space:
                    found.add(int(path.name))
    return frozenset(found)


def outside() -> tuple[object, ...]:
    """What a lab must not change: this machine's devices and mounts."""
    devices = sorted(path.name for path in Path("/sys/class/net").iterdir())
    return devices, Path("/proc/self/mounts").read_text()


@contextmanager
def launched(
    before: Sequence[str] = (), python: str = sys.executable, root: Path = ROOT
) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """A program that holds a lab: itself, the lab's folder and first process."""
    with subprocess.Popen(
        [*before, python, "-c", LAUNCHER],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={"PATH": os.environ["PATH"]},
    ) as launcher:
        try:
            assert launcher.stdout
            folder, init = launcher.stdout.readline().split()
            yield launcher, Path(folder), int(init)
        finally:
            launcher.kill()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name
)
def test_nothing_is_left_however_the_launcher_ends(number: signal.Signals) -> None:
    before = outside()
    with launched() as (launcher, folder, init):
        inside = processes(init)
        assert len(inside) >= 4, "first process, two servers, client"
        assert outside() == before
        launcher.send_signal(number)
        launcher.wait(10)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside))
        eventually(lambda: not folder.exists())
    assert outside() == before


def test_the_next_start_removes_what_two_kills_at_once_have_left() -> None:
    with launched() as (launcher, folder, init):
        inside = processes(init)
        os.kill(init, signal.SIGKILL)
        launcher.kill()
        launcher.wait()
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside))
        # A process born while the others were counted holds the lock until it, too, is gone.
        eventually(lambda: folder not in living())
        assert folder.exists()
    with Lab(servers=0, spares=0):
        assert not folder.exists()


def test_the_remains_of_others_and_living_labs_are_left_alone(lab: Lab) -> None:
    (mine, first), (other, second) = new_folder(), new_folder()
    (mine / "run").mkdir()
    os.chown(other, 65534, 65534)
    os.close(first)
    os.close(second)
    try:
        assert mine in remove_remains()
        assert not mine.exists()
        assert other.exists()
        assert lab.server("web1").running
    finally:
        other.rmdir()


def test_two_labs_have_the_same_addresses_and_do_not_see_each_other(lab: Lab) -> None:
    with Lab(servers=1, spares=0) as second:
        assert set(living()) >= {lab.folder, second.folder}
        assert find() == second.folder
        assert find(lab.folder.name) == lab.folder
        second.server("web1").kill()
        assert fetch(lab.client, "http://192.168.2.101/").startswith("web1")
        with pytest.raises(CommandFailed):
            fetch(second.client, "http://192.168.2.101/")
        assert not processes(lab.control.init_pid) & processes(second.control.init_pid)
    with pytest.raises(Ended, match=r"The lab has ended\. Start another one\."):
        second.server("web1").start()


async def test_a_lab_is_at_home_in_asynchronous_code() -> None:
    async with Lab(servers=1, spares=0) as lab:
        folder = lab.folder
        assert lab.server("web1").running
    assert not folder.exists()


# ------------------------------------------------------------------------ without privileges

NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"),
    *("sh", "-c", 'exec "$@"', "sh"),
)
"""An ordinary account; by way of a shell, because setpriv itself still finds programs as root."""
BARE_ROOT = ("setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all")
"""Root as in an unprivileged container. SETFCAP is what the kernel asks of whoever maps
root into a user namespace."""


@pytest.fixture
def readable_tree() -> Iterator[Path]:
    """A copy of what the lab needs where every account can read it, wherever the clone lies."""
    with tempfile.TemporaryDirectory(prefix="lab-tree-", dir="/tmp") as name:
        tree = Path(name)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "services", tree / "services", ignore=ignore)
        shutil.copytree(ROOT / "tests" / "lab", tree / "tests" / "lab", ignore=ignore)
        shutil.copy(ROOT / "tests" / "__init__.py", tree / "tests")
        for path in (tree, *tree.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield tree


def python_for_nobody() -> str | None:
    """A Python that an ordinary account may start: ours may lie in root's home."""
    version = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with suppress(OSError):
            if subprocess.run([*NOBODY, python, "-c", version], check=False).returncode == 0:
                return python
    return None


def check_unprivileged(lab: tuple[subprocess.Popen[str], Path, int]) -> None:
    launcher, folder, init = lab

    def answered() -> Any:
        with suppress(FileNotFoundError):
            return json.loads((folder / "client.json").read_text())["answered"].get("web1")

    eventually(answered)
    inside = processes(init)
    launcher.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside))
    eventually(lambda: not folder.exists())


@pytest.mark.needs("userns", "setpriv")
def test_an_ordinary_account_has_a_lab_of_its_own(readable_tree: Path) -> None:
    python = python_for_nobody()
    if python is None:
        pytest.skip("this machine has no Python 3.11 that an ordinary account may start")
    before = outside()
    with launched(NOBODY, python, readable_tree) as lab:
        assert lab[1].stat().st_uid == 65534
        check_unprivileged(lab)
    assert outside() == before


@pytest.mark.needs("userns", "setpriv")
def test_root_without_capabilities_has_one_too() -> None:
    with launched(BARE_ROOT) as lab:
        check_unprivileged(lab)


@pytest.mark.needs("userns", "setpriv")
def test_where_user_namespaces_are_forbidden_one_sentence_names_the_remedy() -> None:
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    told = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--", "sh", "-c", forbid, "sh"),
            *(*BARE_ROOT, sys.executable, "-m", "tests.lab", "--no-console"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert told.returncode == 3
    assert told.stdout == ""
    assert len(told.stderr.splitlines()) == 1
    assert "This account may not make the namespaces" in told.stderr
    assert "sysctl -w user.max_user_namespaces=10000" in told.stderr
