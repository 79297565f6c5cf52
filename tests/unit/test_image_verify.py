# SPDX-License-Identifier: Apache-2.0
"""The judge of the root file system finds each thing that is wrong, and nothing in a good one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from image import accounts, recipe, sbom
from image.manifest import Archive, Deb, Manifest
from image.packages import asked_for
from image.verify import demand, problems
from services.errors import Unable

EPOCH = 1000
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXk" * 8 + "\n"
ROOT_PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"


@dataclass
class Tree:
    """A root file system in small: name → mode, owner, bytes (None for a folder)."""

    members: dict[str, tuple[int, int, bytes | None]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    mtime: int = EPOCH

    def put(self, name: str, text: str = "", *, mode: int = 0o644, uid: int = 0) -> None:
        self.members[name] = (mode, uid, text.encode())

    def change(self, name: str, old: str, new: str) -> None:
        mode, uid, data = self.members[name]
        assert data is not None
        assert old in data.decode()
        self.members[name] = (mode, uid, data.decode().replace(old, new).encode())

    def drop(self, name: str) -> None:
        self.members.pop(name, None)
        self.links.pop(name, None)

    def write(self, path: Path) -> Path:
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted({*self.members, *self.links}):
                info = tarfile.TarInfo(f"./{name}")
                info.mtime = self.mtime
                if name in self.links:
                    info.type, info.linkname, info.mode = tarfile.SYMTYPE, self.links[name], 0o777
                    archive.addfile(info)
                    continue
                info.mode, info.uid, data = self.members[name]
                info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
                info.size = len(data or b"")
                archive.addfile(info, io.BytesIO(data or b""))
        return path


def status_of(names: list[str]) -> str:
    return "\n".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n"
        f"Description: words\n and more of them\n"
        for name in names
    )


PACKAGES = list(asked_for(recipe.ELEMENTS))
MANIFEST = Manifest(
    suite="trixie",
    arch="amd64",
    epoch=EPOCH,
    debs=tuple(
        Deb(name, "1.0", "amd64", Archive.DEBIAN, f"pool/{name}.deb", 1, "ab" * 32)
        for name in PACKAGES
    ),
    boot=(),
    wheels=(),
)


def good() -> Tree:
    tree = Tree()
    for name in recipe.PROMISED:
        tree.put(name.replace("*", "6.12"))
    for name, mode in recipe.MODES.items():
        tree.put(name, mode=mode)
    for name in recipe.SETUID:
        tree.put(name, mode=0o4755)
    for name, mode in recipe.TIDYING.folders.items():
        tree.members[name] = (mode, 0, None)
    tree.members["tmp"] = (0o1777, 0, None)
    for name, data in recipe.TIDYING.written.items():
        tree.put(name, data.decode())
    for unit in recipe.ENABLED:
        tree.links[f"etc/systemd/system/multi-user.target.wants/{unit}"] = f"/usr/{unit}"
    tree.put("etc/passwd", ROOT_PASSWD + accounts.passwd())
    tree.put("etc/group", "root:x:0:\n" + accounts.group())
    root = accounts.passwords().strip()
    tree.put("etc/shadow", f"{root}:0:0:99999:7:::\ndaemon:*:0::::::\n{accounts.shadow()}")
    tree.put("etc/ssh/sshd_config", "# words\n" + "".join(f"{rule}\n" for rule in recipe.SSHD))
    tree.put("etc/pam.d/common-password", "password optional x factory-password-changed\n")
    tree.put("etc/shells", f"/bin/sh\n{recipe.LOGIN_SHELL}\n")
    tree.put("etc/apt/sources.list", "# none\n")
    tree.put(sbom.STATUS, status_of(PACKAGES))
    home = f"{recipe.PRODUCT_HOME.strip('/')}/lib/python3.13/site-packages/services"
    tree.put(f"{home}/api.py")
    tree.put(f"{home}/__pycache__/api.cpython-313.pyc", "\0\0\0\0\x01\0\0\0rest")
    return tree


def test_a_good_tree_has_no_problem(tmp_path: Path) -> None:
    assert problems(good().write(tmp_path / "root.tar"), MANIFEST) == []


HOME = "usr/lib/ballast/lib/python3.13/site-packages/services/__pycache__/api.cpython-313.pyc"
WANTS = "etc/systemd/system/multi-user.target.wants"

WRONG: dict[str, tuple[Callable[[Tree], object], str]] = {
    "no kernel": (lambda t: t.drop("boot/vmlinuz-6.12"), "the kernel"),
    "no mount point": (lambda t: t.drop("data"), "/data is no folder"),
    "setuid gained": (lambda t: t.put("usr/bin/x", mode=0o4755), "/usr/bin/x runs with more"),
    "setgid gained": (lambda t: t.put("usr/bin/x", mode=0o2755), "/usr/bin/x runs with more"),
    "setuid lost": (lambda t: t.put("usr/bin/passwd", mode=0o755), "has no such right"),
    "mode": (lambda t: t.put("usr/bin/su", mode=0o700), "/usr/bin/su has mode 0700"),
    "writable": (lambda t: t.put("usr/share/x", mode=0o666), "may be written by everybody"),
    "closed": (lambda t: t.put("usr/lib/ballast/x", mode=0o600), "cannot be read by the accounts"),
    "foreign": (lambda t: t.put("usr/share/x", uid=923), "belongs to the account 923"),
    "host key": (lambda t: t.put("etc/ssh/ssh_host_rsa_key", "x"), "must make for itself"),
    "someone's key": (lambda t: t.put("root/.ssh/authorized_keys", "x"), "make for itself"),
    "hidden key": (lambda t: t.put("usr/share/innocent", KEY), "holds a private key"),
    "machine id": (lambda t: t.put("etc/machine-id", "0123\n"), "machine-id is not empty"),
    "resolver": (lambda t: t.put("etc/resolv.conf", "nameserver ::1\n"), "names the resolvers"),
    "mirror": (lambda t: t.put("etc/apt/sources.list", "deb http://x y z\n"), "names a mirror"),
    "log": (lambda t: t.put("var/log/dpkg.log", "x"), "a log of the build"),
    "fstab": (lambda t: t.put("etc/fstab", "/dev/sda1 / ext4 rw\n"), "/etc/fstab mounts"),
    "shell": (lambda t: t.change("etc/passwd", recipe.LOGIN_SHELL, "/bin/sh"), "not as the recipe"),
    "password": (lambda t: t.change("etc/shadow", "setup:$6$b", "setup:$6$c"), "setup has another"),
    "kept": (lambda t: t.change("etc/shadow", ":0:0:99999", ":9:0:99999"), "or keeps it"),
    "group": (lambda t: t.change("etc/group", "905:root,", "905:"), "root is not in the group"),
    "daemon": (lambda t: t.change("etc/shadow", "daemon:*", "daemon:$6$x"), "daemon can log in"),
    "loose id": (lambda t: t.change("etc/passwd", "tcpdump:x:929", "tcpdump:x:101"), "fix it"),
    "sshd": (lambda t: t.change("etc/ssh/sshd_config", "DenyGroups", "#"), "DenyGroups"),
    "pam": (lambda t: t.put("etc/pam.d/common-password"), "PAM does not take"),
    "shells": (lambda t: t.put("etc/shells", "/bin/sh\n"), "nobody can log in"),
    "unit": (lambda t: t.links.update({f"{WANTS}/snmpd.service": "x"}), "snmpd.service starts"),
    "no unit": (lambda t: t.drop(f"{WANTS}/ssh.service"), "ssh.service is in the recipe's"),
    "stale": (lambda t: t.put(HOME, "\0\0\0\0\x03\0\0\0"), "no compiled code"),
    "uncompiled": (lambda t: t.drop(HOME), "no compiled code"),
    "package": (lambda t: t.put(sbom.STATUS, status_of(PACKAGES[1:])), "is not installed"),
    "stranger": (lambda t: t.put(sbom.STATUS, status_of([*PACKAGES, "x"])), "x 1.0 is not the"),
    "half": (lambda t: t.change(sbom.STATUS, "ok installed", "ok unpacked"), "ok unpacked"),
    "time": (lambda t: setattr(t, "mtime", 5), "another time"),
    "device": (lambda t: t.put("dev/null"), "a device or a socket"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name: str, tmp_path: Path) -> None:
    spoil, said = WRONG[name]
    tree = good()
    spoil(tree)
    found = problems(tree.write(tmp_path / "root.tar"), MANIFEST)
    assert any(said in sentence for sentence in found), found


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(Unable, match=r"One\. Two\."):
        demand(["One.", "Two."])
    demand([])


def test_the_bill_names_what_is_installed_and_where_it_came_from(tmp_path: Path) -> None:
    tree = good()
    tree.change(sbom.STATUS, "Package: haproxy\n", "Package: haproxy\nSource: hap (2:3)\n")
    home = f"{recipe.PRODUCT_HOME.strip('/')}/lib/python3.13/site-packages"
    tree.put(
        f"{home}/pyyaml-6.dist-info/METADATA", "Metadata-Version: 2\nName: PyYAML\nVersion: 6\n"
    )
    bill = sbom.of(tree.write(tmp_path / "root.tar"), MANIFEST)
    parts = {part["name"]: part for part in bill["packages"]}
    assert set(PACKAGES) <= set(parts)
    assert parts["haproxy"]["sourceInfo"] == "built from hap 2:3"
    assert parts["haproxy"]["checksums"][0]["checksumValue"] == "ab" * 32
    purls = {part["externalRefs"][0]["referenceLocator"] for part in bill["packages"][1:]}
    assert {"pkg:pypi/pyyaml@6", "pkg:deb/debian/ssh@1"}.intersection(purls) == {
        "pkg:pypi/pyyaml@6"
    }
    assert "pkg:deb/debian/haproxy@1.0?arch=amd64&distro=debian-13" in purls
    contained = {each["relatedSpdxElement"] for each in bill["relationships"][1:]}
    assert contained == {part["SPDXID"] for part in bill["packages"][1:]}
    assert bill["creationInfo"]["created"] == "1970-01-01T00:16:40Z"
    again = sbom.of(tree.write(tmp_path / "again.tar"), replace(MANIFEST, debs=MANIFEST.debs[::-1]))
    assert again == bill
