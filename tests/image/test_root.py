# SPDX-License-Identifier: Apache-2.0
"""The root file system keeps its promises: by the judge, and by its own programs."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from image import recipe
from image.manifest import read
from image.root import Built
from image.tryout import FONT
from image.verify import problems
from tests.image.entered import Entered, entered
from tests.poll import eventually

CHOSEN = "Correct-Horse-7"
FACTORY = {"root": "loadbalancer", "loadbalancer": "loadbalancer", "setup": "setup"}


def test_the_judge_finds_nothing(built: Built) -> None:
    text = built.manifest.read_text(encoding="utf-8")
    assert problems(built.archive, read(text, where="it")) == []


def test_the_bill_of_materials_names_the_product_and_its_daemons(built: Built) -> None:
    bill = json.loads(built.bill.read_text(encoding="utf-8"))
    names = {part["name"] for part in bill["packages"]}
    assert {"ballast", "textual", "haproxy", "heartbeat", "linux-image-amd64"} <= names
    assert all(len(part["SPDXID"]) > len("SPDXRef-") for part in bill["packages"])


def test_every_screen_that_appears_is_given_the_consoles_font(unpacked: Path) -> None:
    loading = (unpacked / "etc/console-setup/cached_setup_font.sh").read_text(encoding="utf-8")
    assert set(re.findall(r"[\w-]+\.psf\.gz", loading)) == {Path(FONT).name}


def _versions(root: Entered) -> list[str]:
    asked = (("ballast", "--version"), ("ballast", "schema"), ("ballast-console", "--help"))
    return [f"{each[0]}: {done.stderr}" for each in asked if (done := root.run(*each)).returncode]


def test_the_product_runs_on_the_images_python(unpacked: Path) -> None:
    assert entered(unpacked, _versions) == []


def _complaints(root: Entered) -> list[str]:
    asked = (
        ("sh", "-c", "udevadm verify /usr/lib/udev/rules.d/*ballast*.rules"),
        ("systemd-analyze", "verify", "--man=no", "default.target"),
        ("systemd-analyze", "cat-config", "sysctl.d/60-ballast.conf"),
        ("ssh-keygen", "-A"),
        ("sh", "-c", "mkdir -p /run/sshd && sshd -t"),
        ("haproxy", "-v"),
    )
    done = [(each, root.run(*each)) for each in asked]
    wrong = [f"{each}: {one.stdout}{one.stderr}" for each, one in done if one.returncode]
    verified = done[1][1].stderr
    return wrong + [line for line in verified.splitlines() if "ballast" in line]


def test_its_own_programs_take_the_files_of_the_overlays(unpacked: Path) -> None:
    assert entered(unpacked, _complaints) == []


CONFINED = (
    *("ballast-agent", "ballast-haproxy", "ballast-checks", "ballast-probe"),
    *("ballast-firstboot", "ballast-names", "ballast-prepared"),
    *("ballast-boot-good", "ballast-slot-copy", "stunnel@", "pound", "heartbeat", "collectd"),
)


def _exposed(root: Entered) -> list[str]:
    """What systemd says of units whose exposure is above 3.5, the limit for ours."""
    how = ("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=35")
    done = [root.run(*how, f"{name}.service") for name in CONFINED]
    return [each.stdout + each.stderr for each in done if each.returncode]


def test_every_daemon_of_ours_is_confined(unpacked: Path) -> None:
    assert entered(unpacked, _exposed) == []


def _choose_passwords(root: Entered) -> dict[str, tuple[set[str], set[str]]]:
    """Account → groups before and after it has a password of its own."""
    found = {}
    for name, factory in FACTORY.items():
        before = root.groups(name)
        uid = next(person.id for person in recipe.PEOPLE if person.name == name)
        words = f"{CHOSEN}\n{CHOSEN}\n"
        done = root.run(
            "passwd",
            stdin=words if uid == 0 else f"{factory}\n{words}",
            user=uid,
        )
        assert done.returncode == 0, done.stderr
        found[name] = before, root.groups(name)
    return found


def test_an_account_that_chose_its_own_password_leaves_the_factory_group(unpacked: Path) -> None:
    found = entered(unpacked, _choose_passwords)
    assert set(found) == set(FACTORY)
    for name, (before, after) in found.items():
        assert before - after == {recipe.FACTORY_GROUP}, name
        assert after <= before


def _homes(root: Entered) -> dict[str, str]:
    done = root.run("systemd-tmpfiles", "--create", "--prefix=/home")
    assert done.returncode == 0, done.stderr
    homes = {person.name: person.home for person in recipe.PEOPLE}
    return {name: root.run("stat", "-c", "%U %a", homes[name]).stdout.strip() for name in homes}


def test_everybody_who_logs_in_has_a_home(unpacked: Path) -> None:
    assert entered(unpacked, _homes) == {name: f"{name} 700" for name in FACTORY}


def _refused_password(root: Entered) -> tuple[int, set[str]]:
    done = root.run("passwd", stdin="setup\na\na\n" * 3, user=1001)
    return done.returncode, root.groups("setup")


def test_a_refused_password_leaves_an_account_where_it_was(unpacked: Path) -> None:
    status, groups = entered(unpacked, _refused_password)
    assert status != 0
    assert recipe.FACTORY_GROUP in groups


def _over_ssh(root: Entered, name: str, password: str, *, chosen: bool) -> tuple[int, str]:
    """Log in as `name` from the same root; the status and the words of `ssh`."""
    root.run("ssh-keygen", "-A")
    (root.folder / "run/sshd").mkdir()
    if chosen:
        root.run("chpasswd", stdin=f"{name}:{password}\n")
    say = root.folder / "run/say"
    say.write_text(f"#!/bin/sh\necho {password}\n")
    say.chmod(0o755)
    daemon = root.start("/usr/sbin/sshd", "-D", "-e")
    try:
        eventually(lambda: socket.socket().connect_ex(("127.0.0.1", 22)) == 0)
        done = root.run(
            *("setsid", "ssh", "-o", "StrictHostKeyChecking=no", "-o", "NumberOfPasswordPrompts=1"),
            *("-o", "UserKnownHostsFile=/dev/null", f"{name}@127.0.0.1", "ballast", "--version"),
            SSH_ASKPASS="/run/say",
            SSH_ASKPASS_REQUIRE="force",
            HOME="/root",
        )
    finally:
        daemon.kill()
        daemon.wait()
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(FACTORY))
def test_a_factory_password_opens_nothing_over_the_network(unpacked: Path, name: str) -> None:
    def attempt(root: Entered) -> tuple[int, str]:
        return _over_ssh(root, name, FACTORY[name], chosen=False)

    status, said = entered(unpacked, attempt)
    assert status == 255
    assert "Permission denied" in said


def test_a_chosen_password_leads_to_the_command_line_and_no_shell(unpacked: Path) -> None:
    def attempt(root: Entered) -> tuple[int, str]:
        return _over_ssh(root, "loadbalancer", CHOSEN, chosen=True)

    status, said = entered(unpacked, attempt)
    assert "Permission denied" not in said
    assert f"ballast {recipe.version()}" in said
    assert status == 0


def test_root_is_refused_over_the_network_with_any_password(unpacked: Path) -> None:
    def attempt(root: Entered) -> tuple[int, str]:
        return _over_ssh(root, "root", CHOSEN, chosen=True)

    assert entered(unpacked, attempt)[0] == 255
