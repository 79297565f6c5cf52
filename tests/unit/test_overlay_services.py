# SPDX-License-Identifier: Apache-2.0
"""The units as they ship: confined, and in agreement with the programs and the recipe."""

from __future__ import annotations

import configparser
import re
import socket
import subprocess
import tomllib
from pathlib import Path
from uuid import UUID

import pytest

from image import recipe
from services.agent.peer import GROUPS
from services.drivers import notify
from services.drivers.cards import CONTROLLERS
from services.drivers.checks import checks_unit
from services.firstboot.making import paths
from services.render import Place
from services.render.haproxy import FD_LIMIT
from services.render.kernel import KERNEL_SETTINGS
from tests.tree import ROOT

LIB = ROOT / "overlays" / "services" / "usr" / "lib"
UNITS = LIB / "systemd" / "system"
OURS = sorted(path.name for path in UNITS.glob("ballast-*.service"))
STATE = "/data/ballast"
HAPROXIES = {"ballast-haproxy.service", "ballast-checks.service"}
PREPARED = "ballast-prepared.service"
OF_OURSELVES = [unit for unit in OURS if unit not in {*HAPROXIES, PREPARED}]
OTHERS = sorted(path.name for path in UNITS.glob("*.service.d"))

STARTED_BY_THE_AGENT = {*HAPROXIES, "ballast-probe.service"}

MOST_EXPOSED = 3.5
"""Of 10, as `systemd-analyze security` counts; Debian's own units are at 9 and more."""


def lines(path: Path) -> list[str]:
    """What is no comment."""
    text = path.read_text().splitlines()
    return [line for line in text if line.strip() and not line.startswith("#")]


def values(unit: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in lines(UNITS / unit) if line.partition("=")[0] == key]


def exposure(unit: Path) -> float:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)],
        check=False,
        capture_output=True,
        text=True,
    )
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", said.stdout)
    assert found, said.stdout + said.stderr
    return float(found[1])


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("unit", OURS)
def test_a_unit_of_ours_is_confined(unit: str) -> None:
    assert exposure(UNITS / unit) <= MOST_EXPOSED


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("folder", OTHERS)
def test_a_daemon_of_debians_is_confined_by_its_drop_in(folder: str, tmp_path: Path) -> None:
    bare = "[Service]\nExecStart=/bin/true\n"
    unit = tmp_path / folder.removesuffix(".d").replace("@", "")
    unit.write_text(bare)
    before = exposure(unit)
    unit.write_text(bare + "".join(part.read_text() for part in (UNITS / folder).glob("*.conf")))
    assert exposure(unit) <= min(MOST_EXPOSED, before / 2)


@pytest.mark.parametrize("unit", OURS)
def test_a_unit_is_a_file_systemd_reads(unit: str) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string((UNITS / unit).read_text())
    assert set(parser.sections()) <= {"Unit", "Service", "Install"}
    assert all(len(line.split("=", 1)) == 2 for line in lines(UNITS / unit) if line[0] != "[")


@pytest.mark.parametrize("unit", OF_OURSELVES)
def test_what_a_unit_starts_is_a_program_of_the_project(unit: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [command] = values(unit, "ExecStart")
    folder, _, name = command.split()[0].rpartition("/")
    assert folder == "/usr/libexec/ballast"
    assert f"ballast-{name}" in project["scripts"]


@pytest.mark.parametrize("unit", [unit for unit in OURS if unit not in STARTED_BY_THE_AGENT])
def test_it_starts_at_boot(unit: str) -> None:
    [preset] = (LIB / "systemd" / "system-preset").glob("*.preset")
    assert f"enable {unit}" in lines(preset)
    assert values(unit, "WantedBy") == ["multi-user.target"]


@pytest.mark.parametrize("unit", sorted(STARTED_BY_THE_AGENT))
def test_what_the_agent_starts_does_not_wait_for_the_network_which_waits_for_the_agent(
    unit: str,
) -> None:
    [before] = values("ballast-agent.service", "Before")
    assert "network.target" in before
    assert values(unit, "After") == []


def test_haproxy_is_started_by_the_agent_alone_with_the_agents_paths() -> None:
    place = Place()
    [command] = values("ballast-haproxy.service", "ExecStart")
    assert command.split()[1:] == [
        "-Ws",
        "-S",
        f"{place.master_socket},mode,600",
        "-f",
        str(place.config),
    ]
    assert values("ballast-haproxy.service", "StandardError") == [f"append:{place.log}"]
    assert values("ballast-haproxy.service", "LimitNOFILE") == [str(FD_LIMIT)]
    assert values("ballast-haproxy.service", "WantedBy") == []


def test_the_checks_are_started_by_the_agent_alone_with_the_agents_paths() -> None:
    place = Place()
    [command] = values("ballast-checks.service", "ExecStart")
    assert tuple(command.split()[1:]) == checks_unit(place).argv[1:]
    assert values("ballast-checks.service", "StandardError") == [f"append:{place.checks_log}"]
    assert values("ballast-checks.service", "ReadWritePaths") == [str(place.checks)]
    assert values("ballast-checks.service", "LimitNOFILE") == [str(FD_LIMIT)]
    assert values("ballast-checks.service", "WantedBy") == []


def test_the_probe_is_started_by_the_agent_alone_where_the_agent_looks_for_it() -> None:
    unit, place = "ballast-probe.service", Place()
    [command] = values(unit, "ExecStart")
    _, _, socket_path, _, scripts = command.split()
    assert socket_path == str(place.probe_socket)
    assert values(unit, "BindReadOnlyPaths") == [f"{STATE}/scripts:{scripts}"]
    assert values(unit, "WantedBy") == []
    [user] = values(unit, "User")
    assert user in {account.name for account in recipe.SYSTEM}
    [made] = (LIB / "tmpfiles.d").glob("*.conf")
    assert f"d {place.probe} 1770 root {user} -" in lines(made)
    assert "ballast" not in next(each for each in recipe.SYSTEM if each.name == user).groups


def test_the_drivers_are_loaded_of_the_controllers_that_are_waited_for() -> None:
    [first] = values("ballast-names.service", "ExecStartPre")
    expression = re.compile(first.split('"')[1])
    netvsc = next(start for bus, _, start in CONTROLLERS if bus == "vmbus")
    cards = [
        "pci:v00008086d00001521sv00008086sd00000001bc02sc00i00",
        "virtio:d00000001v00001AF4",
        f"vmbus:{UUID(netvsc).bytes_le.hex()}",
        "xen:vif",
    ]
    others = ["pci:v00001234d00001111bc03sc00i00", "virtio:d00000002v00001AF4", "xen:vbd"]
    assert [alias for alias in cards + others if expression.search(alias)] == cards


def test_the_agent_begins_when_the_file_is_there_that_follows_all_it_needs() -> None:
    [touch] = values(PREPARED, "ExecStart")
    [agent] = values("ballast-agent.service", "ExecStart")
    assert touch.split()[1] == agent.partition("--after ")[2]
    [after] = values(PREPARED, "After")
    assert {"ballast-names.service", "ballast-firstboot.service"} < set(after.split())
    [wants] = values("ballast-agent.service", "Wants")
    assert PREPARED in wants.split()


def test_the_first_boot_is_looked_for_by_what_it_makes() -> None:
    conditions = values("ballast-firstboot.service", "ConditionPathExists")
    wanted = {f"|!{path}" for path in paths(Path("/data/ballast"), Path("/etc"))}
    assert set(conditions) == wanted


def test_groups_are_those_of_the_roles_with_the_ids_of_the_image() -> None:
    [made] = (LIB / "sysusers.d").glob("*.conf")
    groups = {line.split()[1]: int(line.split()[2]) for line in lines(made)}
    assert set(groups) == {"ballast", *GROUPS}
    image = {group.name: group.gid for group in recipe.GROUPS}
    assert {name: image[name] for name in groups} == groups


def test_modules_are_loaded_whose_settings_the_agent_keeps() -> None:
    [loaded] = (LIB / "modules-load.d").glob("*.conf")
    assert lines(loaded) == ["ip_vs", "nf_conntrack"]
    [options] = (LIB / "modprobe.d").glob("*.conf")
    assert "options ip_vs conn_tab_bits=18" in lines(options)
    size = next(line for line in lines(options) if "hashsize" in line).partition("hashsize=")[2]
    assert int(KERNEL_SETTINGS["net/netfilter/nf_conntrack_max"]) == 4 * int(size)


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_service_manager_is_told(kind: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"\0{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        environment = {"NOTIFY_SOCKET": address.replace("\0", "@")}
        notify.ready("Revision 7", environment)
        assert manager.recv(100) == b"READY=1\nSTATUS=Revision 7"
        notify.stopping(environment)
        assert manager.recv(100) == b"STOPPING=1"


def test_without_a_service_manager_nothing_is_told(tmp_path: Path) -> None:
    notify.ready("", {})
    notify.ready("", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
