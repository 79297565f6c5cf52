# SPDX-License-Identifier: Apache-2.0
"""Where Debian's packages come from: this machine's own mirrors, or those the environment names.

No host stands in the project. Whoever builds has an apt that works; the image is built from the
same place, and from the place beside it for security updates when the machine names none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.errors import Unable

MIRROR = "DIB_DISTRIBUTION_MIRROR"
SECURITY_MIRROR = "DIB_DEBIAN_SECURITY_MIRROR"

APT = Path("/etc/apt")

_ARCHIVE = frozenset(
    {"bullseye", "bookworm", "trixie", "forky", "duke", "sid"}
    | {"oldoldstable", "oldstable", "stable", "testing", "unstable"}
)
"""Names by which a source is known to be Debian's own and not another distribution's."""
_SECURITY = frozenset(f"{suite}{tail}" for suite in _ARCHIVE for tail in ("-security", "/updates"))

_USABLE = re.compile(r"(https?|ftp|file|copy)://?\S+")
_DO = (
    f"Name a mirror of Debian in the environment, {MIRROR}=…/debian, and if it lies elsewhere "
    f"{SECURITY_MIRROR}=…/debian-security."
)


@dataclass(frozen=True)
class Source:
    """One address of apt's sources, with the suites it is asked for."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


@dataclass(frozen=True)
class Mirrors:
    """The archive and its security updates; addresses without a slash at the end."""

    debian: str
    security: str


def choose(sources: Sequence[Source], environment: Mapping[str, str]) -> Mirrors:
    """The mirrors to build from; raises `Unable` when nothing names one."""
    debian = environment.get(MIRROR) or next(_of(sources, _ARCHIVE), "")
    security = environment.get(SECURITY_MIRROR) or next(_of(sources, _SECURITY), "")
    if not debian:
        raise Unable("apt on this machine has no mirror of Debian among its sources.", do=_DO)
    debian = _usable(debian)
    if not security:
        if not debian.endswith("/debian"):
            raise Unable(
                f"Where the security updates lie cannot be told from the mirror {debian}.", do=_DO
            )
        security = f"{debian}-security"
    return Mirrors(debian, _usable(security))


def _usable(uri: str) -> str:
    if not _plain(uri):
        raise Unable(f"{uri!r} is no address of a mirror.", do=_DO)
    return uri.rstrip("/")


def _of(sources: Sequence[Source], kind: frozenset[str]) -> Iterator[str]:
    """Only plain addresses: lists of mirrors and CDs are apt's own affair."""
    return (
        each.uri
        for each in sources
        if "main" in each.components and kind.intersection(each.suites) and _plain(each.uri)
    )


def _plain(uri: str) -> bool:
    return _USABLE.fullmatch(uri) is not None


def parse_one_line(text: str) -> list[Source]:
    """The sources of a `sources.list`: `deb [options] uri suite component…`."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(
            r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)\s*", _bare(line)
        )
        if match:
            found.append(Source(match[1], (match[2],), tuple(match[3].split())))
    return found


def _bare(line: str) -> str:
    return line.partition("#")[0]


def parse_deb822(text: str) -> list[Source]:
    """The sources of a `.sources` file: paragraphs of fields (sources.list(5))."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields = _fields(paragraph)
        if fields.get("enabled", "yes").lower() in {"no", "false", "off", "0"}:
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        suites = tuple(fields.get("suites", "").split())
        components = tuple(fields.get("components", "").split())
        found += [Source(uri, suites, components) for uri in fields.get("uris", "").split()]
    return found


def _fields(paragraph: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in {" ", "\t"}:
            if name:
                fields[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon:
            fields[name] = value.strip()
    return fields


def of_this_machine(environment: Mapping[str, str], apt: Path = APT) -> Mirrors:
    """Read apt's sources and choose; raises `Unable` when they name no mirror of Debian."""
    sources = []
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))):
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".list":
            sources += parse_one_line(text)
        elif path.suffix == ".sources":
            sources += parse_deb822(text)
    return choose(sources, environment)
