# SPDX-License-Identifier: Apache-2.0
"""Debian packages: chosen by apt, verified by apt, kept by hash, offered as a folder.

apt of the building machine resolves the elements' lists against an empty system, so the choice
is complete and does not depend on what is installed here. What it chose is a list of hashes; the
image is then made from files with these hashes, without a network. So a build can be repeated
from the list alone, and a mirror that changes during a build cannot mix two states.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from image.manifest import Archive, Deb
from image.mirrors import Mirrors
from services.command import run
from services.errors import CommandFailed, Unable

APT_HELPER = "/usr/lib/apt/apt-helper"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
"""Debian's own signatures and no other: not what else this machine trusts."""
ASK_S = 600.0
FETCH_S = 1800.0
AT_ONCE = 100
"""Files given to one call of apt-helper; a command line has an end."""
ALWAYS = ("?essential", "apt")
"""What the bootstrap installs without being asked (mmdebstrap's variant `apt`)."""

_NO_MIRROR = (
    "Look whether this machine reaches the mirror its apt sources name, or name another in the "
    "environment (DIB_DISTRIBUTION_MIRROR, DIB_DEBIAN_SECURITY_MIRROR). A build whose packages are "
    "kept can be repeated without one: python -m image root --manifest FILE. Nothing was built."
)
_URI = re.compile(r"'(\S+)' (\S+) (\d+) ")


def asked_for(elements: Path) -> tuple[str, ...]:
    """Every package that some element's package-installs.yaml names, sorted."""
    names: set[str] = set()
    for path in sorted(elements.glob("*/package-installs.yaml")):
        names |= set(yaml.safe_load(path.read_text(encoding="utf-8")) or ())
    return tuple(sorted(names))


def network_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What tells a program how to reach the network from here: proxies, certificates."""
    names = {f"{scheme}_proxy" for scheme in ("http", "https", "ftp", "no", "all")}
    names |= {name.upper() for name in names} | {"SSL_CERT_FILE", "SSL_CERT_DIR"}
    return {name: value for name, value in environment.items() if name in names}


class Apt:
    """apt with a state of its own below `folder`, for a system that has nothing installed."""

    def __init__(self, folder: Path, mirrors: Mirrors, *, suite: str, arch: str) -> None:
        self._folder = folder
        self._mirrors = mirrors
        self._suite = suite
        self._arch = arch

    async def choose(
        self, wanted: Sequence[str], *, alone: Sequence[str]
    ) -> tuple[tuple[Deb, ...], tuple[Deb, ...]]:
        """Everything needed for `wanted`, and the packages of `alone` without what they need.

        The newest of the suite and of its security updates. Raises `Unable` when a mirror does
        not answer or has no such package.
        """
        self._prepare()
        await self._run("apt-get", "update", "-qq", "--error-on=any", do=_NO_MIRROR)
        needed = await self._chosen("install", *ALWAYS, *wanted)
        return needed, await self._chosen("download", *alone) if alone else ()

    async def _chosen(self, verb: str, *names: str) -> tuple[Deb, ...]:
        do = "Mend the names in image/elements/*/package-installs.yaml, or name another mirror."
        listing = await self._run("apt-get", verb, "-qq", "--print-uris", *names, do=do)
        archives = dict(self._place(line) for line in listing.splitlines() if _URI.match(line))
        known = sorted({path.rpartition("/")[2].partition("_")[0] for path in archives})
        shown = await self._run("apt-cache", "show", "--no-all-versions", *known, do=_NO_MIRROR)
        every = {fields["Filename"]: fields for fields in paragraphs(shown)}
        if missing := sorted(archives.keys() - every.keys()):
            raise Unable(f"apt chose {missing[0]} and does not know it.", do="Build again.")
        return tuple(sorted(_deb(every[path], archive) for path, archive in archives.items()))

    def _place(self, line: str) -> tuple[str, Archive]:
        """A line of `--print-uris` → the path below its mirror, and which mirror."""
        match = _URI.match(line)
        uri = match[1].replace("%2b", "+").replace("%7e", "~") if match else ""
        for mirror, archive in (
            (self._mirrors.security, Archive.SECURITY),
            (self._mirrors.debian, Archive.DEBIAN),
        ):
            if uri.startswith(f"{mirror}/"):
                return uri.removeprefix(f"{mirror}/"), archive
        raise Unable(
            f"apt wants to fetch {uri}, which is on no mirror it was given.", do=_NO_MIRROR
        )

    def _prepare(self) -> None:
        for each in ("state/lists/partial", "cache/archives/partial"):
            (self._folder / each).mkdir(parents=True, exist_ok=True)
        components = "main non-free-firmware"
        signed = f"[signed-by={KEYRING}]"
        (self._folder / "sources.list").write_text(
            f"deb {signed} {self._mirrors.debian} {self._suite} {components}\n"
            f"deb {signed} {self._mirrors.debian} {self._suite}-updates {components}\n"
            f"deb {signed} {self._mirrors.security} {self._suite}-security {components}\n"
        )
        settings = {
            "Dir::State": f"{self._folder}/state",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": f"{self._folder}/cache",
            "Dir::Etc::sourcelist": f"{self._folder}/sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "APT::Architecture": self._arch,
            "APT::Install-Recommends": "false",
            "APT::Install-Suggests": "false",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "30",
        }
        # What the machine does after its own updates is no part of ours.
        text = "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
        text += "#clear APT::Architectures;\n"
        text += "".join(f'{name} "{value}";\n' for name, value in settings.items())
        (self._folder / "apt.conf").write_text(text)

    async def _run(self, program: str, *arguments: str, do: str) -> str:
        argv = [program, f"-c={self._folder}/apt.conf", *arguments]
        return (await run(argv, timeout_s=ASK_S, env=network_environment(), do=do)).stdout


def paragraphs(text: str) -> list[dict[str, str]]:
    """Control paragraphs as fields; the lines that continue a field are left out."""
    found = []
    for paragraph in text.split("\n\n"):
        pairs = (
            line.partition(": ") for line in paragraph.splitlines() if line[:1] not in {"", " "}
        )
        if fields := {name: value for name, _, value in pairs}:
            found.append(fields)
    return found


def _deb(fields: Mapping[str, str], archive: Archive) -> Deb:
    return Deb(
        name=fields["Package"],
        version=fields["Version"],
        arch=fields["Architecture"],
        archive=archive,
        path=fields["Filename"],
        size=int(fields["Size"]),
        sha256=fields["SHA256"],
    )


def kept(debs: Path, deb: Deb) -> Path:
    """Where a package lies once it was fetched."""
    return debs / f"{deb.sha256}.deb"


async def fetch(chosen: Iterable[Deb], mirrors: Mirrors, debs: Path) -> int:
    """Bring what is not there yet into the folder `debs`; the number of bytes fetched.

    apt's own fetcher knows proxies and compares hashes; a file has its name only when it is
    whole. Raises `Unable` when a mirror does not answer or no longer has a package.
    """
    debs.mkdir(parents=True, exist_ok=True)
    missing = [deb for deb in chosen if not _is_whole(kept(debs, deb), deb)]
    base = {Archive.DEBIAN: mirrors.debian, Archive.SECURITY: mirrors.security}
    for start in range(0, len(missing), AT_ONCE):
        some = missing[start : start + AT_ONCE]
        argv = [APT_HELPER, "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2"]
        argv.append("download-file")
        for deb in some:
            partial = kept(debs, deb).with_suffix(".partial")
            partial.unlink(missing_ok=True)
            uri = f"{base[deb.archive]}/{deb.path}".replace("~", "%7e")
            argv += [uri, str(partial), f"SHA256:{deb.sha256}"]
        await run(argv, timeout_s=FETCH_S, env=network_environment(), do=_NO_MIRROR)
        for deb in some:
            partial = kept(debs, deb).with_suffix(".partial")
            if not _is_whole(partial, deb):
                raise Unable(f"{deb.path} did not arrive whole.", do=_NO_MIRROR)
            partial.rename(kept(debs, deb))
    return sum(deb.size for deb in missing)


def _is_whole(path: Path, deb: Deb) -> bool:
    if not path.is_file() or path.stat().st_size != deb.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == deb.sha256


async def offer(chosen: Sequence[Deb], debs: Path, folder: Path, *, suite: str, arch: str) -> None:
    """Make `folder` a repository of exactly these packages; the files are linked, not copied."""
    pool = folder / "pool"
    pool.mkdir(parents=True)
    at_work = asyncio.Semaphore(os.cpu_count() or 1)

    async def described(deb: Deb) -> str:
        place = kept(debs, deb)
        (pool / place.name).hardlink_to(place)
        async with at_work:
            control = await run(["dpkg-deb", "--field", str(place)], timeout_s=60)
        return (
            f"{control.stdout.strip()}\nFilename: pool/{place.name}\nSize: {deb.size}\n"
            f"SHA256: {deb.sha256}\n"
        )

    try:
        found = await asyncio.gather(*(described(deb) for deb in sorted(chosen)))
    except CommandFailed as error:
        raise Unable(
            f"A kept package cannot be read: {error.what}", do=f"Remove {debs} and build again."
        ) from error
    index = folder / "dists" / suite / "main" / f"binary-{arch}" / "Packages"
    index.parent.mkdir(parents=True)
    index.write_text("\n".join(found))
    data = index.read_bytes()
    release = index.relative_to(folder / "dists" / suite)
    (folder / "dists" / suite / "Release").write_text(
        f"Suite: {suite}\nCodename: {suite}\nComponents: main\nArchitectures: {arch}\n"
        f"Date: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n"
        f" {hashlib.sha256(data).hexdigest()} {len(data)} {release}\n"
    )
