# SPDX-License-Identifier: Apache-2.0
"""Does the root file system keep what the recipe promises? Every problem at once, as sentences.

It is the archive that is judged, not the elements: what a package's script did behind our back
is found here, before anything is booted.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from image import recipe
from image.manifest import Manifest
from image.packages import asked_for, paragraphs
from image.roottar import Entry, contents, entries
from image.sbom import STATUS
from services.errors import Unable

SECRETS = (
    "etc/ssh/ssh_host_*",
    "*/.ssh/*",
    "*/.bash_history",
    "*/.cache/*",
    "var/lib/systemd/random-seed",
    "var/lib/dbus/machine-id",
    "etc/ha.d/authkeys",
    "etc/ssl/private/*",
    "*_rsa",
    "*.p12",
)
"""Names under which keys, histories and identities lie."""

PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/]{40}")
SMALL = 64 * 1024
"""A key is smaller than this; larger files are not searched."""
CODE = (".py", ".so", ".pm", ".pl", ".ko.xz")

WANTED = re.compile(r"etc/systemd/system/[^/]+\.(wants|requires)/([^/]+)")
UNCHECKED = 0b01
"""Flags of a .pyc that is valid without a look at its source (PEP 552)."""


@dataclass(frozen=True)
class Seen:
    """The archive as it was read, once."""

    entries: Mapping[str, Entry]
    texts: Mapping[str, bytes]
    """Files that some question needs the bytes of."""
    keys: tuple[str, ...]
    """Files that hold a private key."""
    stale: tuple[str, ...]
    """Python sources of the product without a .pyc that is valid for good."""


READ = (
    *("etc/passwd", "etc/group", "etc/shadow", "etc/machine-id", "etc/hostname", "etc/fstab"),
    *("etc/resolv.conf", "etc/shells", "etc/ssh/sshd_config", "etc/pam.d/common-password"),
    *("etc/apt/sources.list", STATUS),
)


def look(archive: Path) -> Seen:
    """Read the archive."""
    every = {entry.name: entry for entry in entries(archive)}
    home = f"{recipe.PRODUCT_HOME.strip('/')}/"
    compiled = {name for name in every if name.startswith(home) and name.endswith(".pyc")}
    suspects = {
        name
        for name, entry in every.items()
        if entry.kind == "file" and 0 < entry.size < SMALL and not name.endswith(CODE)
    } - compiled
    bytes_of = contents(archive, {*READ, *compiled, *suspects})
    return Seen(
        entries=every,
        texts={name: data for name, data in bytes_of.items() if name in READ},
        keys=tuple(sorted(name for name in suspects if PRIVATE_KEY.search(bytes_of[name]))),
        stale=tuple(sorted(_stale(every, bytes_of, home))),
    )


def _stale(every: Mapping[str, Entry], bytes_of: Mapping[str, bytes], home: str) -> Iterator[str]:
    for name in every:
        if not (name.startswith(home) and name.endswith(".py")):
            continue
        path = PurePosixPath(name)
        tag = recipe.PYTHON.replace(".", "")
        cached = str(path.parent / "__pycache__" / f"{path.stem}.cpython-{tag}.pyc")
        if bytes_of.get(cached, b"")[4:8] != UNCHECKED.to_bytes(4, "little"):
            yield name


def problems(archive: Path, manifest: Manifest) -> list[str]:
    """Everything about `archive` that is not as promised, as sentences."""
    seen = look(archive)
    judges = (_files, _rights, _nothing_of_its_own, _accounts, _doors, _starts, _order)
    found = [sentence for judge in judges for sentence in judge(seen)]
    return [*found, *_packages(seen, manifest), *_age(seen, manifest.epoch)]


def _files(seen: Seen) -> Iterator[str]:
    for name, what in recipe.PROMISED.items():
        if not any(PurePosixPath(each).match(name) for each in _near(seen, name)):
            yield f"/{name} is missing: {what}."
    for name in recipe.MODES:
        if name in seen.entries and seen.entries[name].mode != recipe.MODES[name]:
            yield f"/{name} has mode {seen.entries[name].mode:04o}, not {recipe.MODES[name]:04o}."
    for name, mode in recipe.TIDYING.folders.items():
        if name not in seen.entries or seen.entries[name].mode != mode:
            yield f"/{name} is no folder of mode {mode:04o}, and something is mounted there."
    yield from (f"/{name} has no compiled code that is valid for good." for name in seen.stale[:5])


def _near(seen: Seen, pattern: str) -> Iterator[str]:
    """Names that may match: a pattern without a star is looked up, not searched."""
    if "*" not in pattern:
        return iter((pattern,) if pattern in seen.entries else ())
    return iter(seen.entries)


def _rights(seen: Seen) -> Iterator[str]:
    home = recipe.PRODUCT_HOME.strip("/")
    more = {
        name
        for name, each in seen.entries.items()
        if each.kind == "file" and each.mode & (stat.S_ISUID | stat.S_ISGID)
    }
    yield from (
        f"/{name} runs with more than its caller's rights and is not in the recipe's SETUID."
        for name in sorted(more - set(recipe.SETUID))
    )
    yield from (
        f"/{name} is in the recipe's SETUID and has no such right."
        for name in sorted(set(recipe.SETUID) - more)
    )
    for name, each in sorted(seen.entries.items()):
        if each.kind == "link" or not each.mode & stat.S_IWOTH:
            continue
        if not (each.kind == "folder" and each.mode & stat.S_ISVTX):
            yield f"/{name} may be written by everybody."
    for name, each in sorted(seen.entries.items()):
        if name.startswith(("usr/", "boot/", "etc/")) and each.kind == "file" and each.uid:
            yield f"/{name} belongs to the account {each.uid} and not to root."
        if name.startswith(home) and each.kind != "link" and not each.mode & stat.S_IROTH:
            yield f"/{name} cannot be read by the accounts that run the product."
        if name.startswith("dev/") or each.kind == "other":
            yield f"/{name} is a device or a socket, which the running system makes itself."


def _nothing_of_its_own(seen: Seen) -> Iterator[str]:
    for name, each in sorted(seen.entries.items()):
        path = PurePosixPath(name)
        if each.kind == "file" and any(path.match(pattern) for pattern in SECRETS):
            yield f"/{name} is something each appliance must make for itself."
        if each.kind == "file" and name.startswith("var/log/"):
            yield f"/{name} is a log of the build."
    yield from (f"/{name} holds a private key." for name in seen.keys)
    if seen.texts.get("etc/machine-id") != b"":
        yield "/etc/machine-id is not empty."
    if seen.texts.get("etc/resolv.conf") != b"":
        yield "/etc/resolv.conf names the resolvers of the machine that built."
    if re.search(rb"^\s*deb", seen.texts.get("etc/apt/sources.list", b""), re.MULTILINE):
        yield "/etc/apt/sources.list names a mirror."
    mounts = _lines(seen, "etc/fstab")
    yield from (f"/etc/fstab mounts {line!r}." for line in mounts if not line.startswith("#"))


def _lines(seen: Seen, name: str) -> list[str]:
    return seen.texts.get(name, b"").decode(errors="replace").splitlines()


def _accounts(seen: Seen) -> Iterator[str]:
    passwd = {line.split(":")[0]: line.split(":") for line in _lines(seen, "etc/passwd")}
    groups = {line.split(":")[0]: line.split(":") for line in _lines(seen, "etc/group")}
    shadow = {line.split(":")[0]: line.split(":") for line in _lines(seen, "etc/shadow")}
    for person in recipe.PEOPLE:
        entry = passwd.get(person.name, [""] * 7)
        if (entry[2], entry[5], entry[6]) != (str(person.id), person.home, person.shell):
            yield f"The account {person.name} is not as the recipe has it."
        secret = shadow.get(person.name, [""] * 9)
        if secret[1] != person.password or secret[2] != "0":
            yield f"The account {person.name} has another password than the guide's, or keeps it."
        for name in person.groups:
            if person.name not in groups.get(name, [""] * 4)[3].split(","):
                yield f"The account {person.name} is not in the group {name}."
    people = {person.name for person in recipe.PEOPLE}
    for name, fields in sorted(shadow.items()):
        if name not in people and not fields[1].startswith(("!", "*")):
            yield f"The account {name} can log in with a password."
    fixed = range(900, recipe.HIGHEST_FIXED_ID + 1)
    for kind, table in (("account", passwd), ("group", groups)):
        for name, fields in sorted(table.items()):
            number = int(fields[2])
            if 100 < number < 1000 and number not in fixed:
                yield f"The {kind} {name} has the id {number}, which a package chose: fix it."


def _doors(seen: Seen) -> Iterator[str]:
    rules = {
        tuple(line.lower().split(maxsplit=1))
        for line in _lines(seen, "etc/ssh/sshd_config")
        if line.strip() and not line.startswith("#")
    }
    for rule in recipe.SSHD:
        if tuple(rule.lower().split(maxsplit=1)) not in rules:
            yield f"sshd_config does not say {rule!r}."
    if not any(
        "factory-password-changed" in line for line in _lines(seen, "etc/pam.d/common-password")
    ):
        yield "PAM does not take an account out of the factory group after its password is changed."
    if recipe.LOGIN_SHELL not in _lines(seen, "etc/shells"):
        yield f"{recipe.LOGIN_SHELL} is not in /etc/shells, so nobody can log in with it."


def _starts(seen: Seen) -> Iterator[str]:
    enabled = {match[2] for name in seen.entries if (match := WANTED.fullmatch(name))}
    for unit in sorted(enabled - set(recipe.ENABLED)):
        yield f"{unit} starts with the machine and is not in the recipe's ENABLED."
    for unit in sorted(set(recipe.ENABLED) - enabled):
        yield f"{unit} is in the recipe's ENABLED and does not start with the machine."


def _order(seen: Seen) -> Iterator[str]:
    if (names := list(seen.entries)) != sorted(names):
        yield "The archive is not sorted."


def _age(seen: Seen, epoch: int) -> Iterator[str]:
    if others := [name for name, each in seen.entries.items() if each.mtime != epoch]:
        yield f"{len(others)} files bear another time than the build's, /{others[0]} among them."


def _packages(seen: Seen, manifest: Manifest) -> Iterator[str]:
    status = paragraphs(seen.texts.get(STATUS, b"").decode())
    installed = {each["Package"]: each["Version"] for each in status}
    listed = {deb.name: deb.version for deb in manifest.debs}
    for name in asked_for(recipe.ELEMENTS):
        if name not in installed:
            yield f"The package {name} is not installed."
    for name, version in sorted(installed.items()):
        if listed.get(name) != version:
            yield f"The package {name} {version} is not the manifest's."
    for each in status:
        if each["Status"] != "install ok installed":
            yield f"The package {each['Package']} is in the state {each['Status']!r}."


def demand(found: Sequence[str]) -> None:
    """Raise `Unable` with all of `found`, if there is anything."""
    if found:
        raise Unable(
            "The root file system is not what the recipe promises: " + " ".join(found),
            do="Mend the elements, the overlays or the recipe.",
        )
