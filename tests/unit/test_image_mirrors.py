# SPDX-License-Identifier: Apache-2.0
"""Mirrors: taken from apt as people write its sources, or from the environment, never made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from image.mirrors import Mirrors, choose, of_this_machine, parse_deb822, parse_one_line
from services.errors import Unable

ONE_LINE = """
# deb http://commented.example/debian trixie main
deb-src http://sources.example/debian trixie main
deb [arch=amd64 signed-by=/x.gpg] http://mirror.example/debian/ bookworm main contrib
deb http://mirror.example/debian bookworm-updates main   # newer
deb http://sec.example/debian-security bookworm-security main
deb https://other.example/apt something-else main
deb cdrom:[Debian]/ bookworm main
"""

DEB822 = """\
# A comment
Types: deb deb-src
URIs: http://mirror.example/debian
 http://second.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
Enabled: no

Types: deb-src
URIs: http://sources.example/debian
Suites: trixie
Components: main

types: deb
uris: http://sec.example/debian-security
suites: trixie-security
components: main
"""


def test_a_list_of_lines_gives_its_binary_sources() -> None:
    found = parse_one_line(ONE_LINE)
    assert [each.uri for each in found] == [
        "http://mirror.example/debian/",
        "http://mirror.example/debian",
        "http://sec.example/debian-security",
        "https://other.example/apt",
        "cdrom:[Debian]/",
    ]
    assert found[0].suites == ("bookworm",)
    assert found[0].components == ("main", "contrib")


def test_a_file_of_fields_gives_its_binary_sources_that_are_not_switched_off() -> None:
    found = parse_deb822(DEB822)
    assert [(each.uri, each.suites) for each in found] == [
        ("http://mirror.example/debian", ("trixie", "trixie-updates")),
        ("http://second.example/debian", ("trixie", "trixie-updates")),
        ("http://sec.example/debian-security", ("trixie-security",)),
    ]


@pytest.mark.parametrize("sources", [parse_one_line(ONE_LINE), parse_deb822(DEB822)])
def test_the_first_of_each_kind_is_chosen(sources: list[object]) -> None:
    found = choose(sources, {})  # type: ignore[arg-type]
    assert found == Mirrors("http://mirror.example/debian", "http://sec.example/debian-security")


def test_security_updates_lie_beside_the_archive_when_nothing_says_where() -> None:
    sources = parse_one_line("deb http://mirror.example/debian trixie main")
    assert choose(sources, {}).security == "http://mirror.example/debian-security"


def test_the_environment_comes_first() -> None:
    environment = {
        "DIB_DISTRIBUTION_MIRROR": "http://mine.example/debian/",
        "DIB_DEBIAN_SECURITY_MIRROR": "http://mine.example/sec/",
    }
    found = choose(parse_deb822(DEB822), environment)
    assert found == Mirrors("http://mine.example/debian", "http://mine.example/sec")


@pytest.mark.parametrize(
    ("lines", "environment", "said"),
    [
        ("deb http://archive.example/ubuntu noble main", {}, "no mirror of Debian"),
        ("", {}, "no mirror of Debian"),
        ("deb http://mirror.example/stuff trixie main", {}, "cannot be told"),
        ("", {"DIB_DISTRIBUTION_MIRROR": "not an address"}, "no address"),
        ("", {"DIB_DISTRIBUTION_MIRROR": "http://x.example/a b/debian"}, "no address"),
    ],
)
def test_a_machine_without_a_mirror_is_told_what_to_name(
    lines: str, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(Unable, match=said) as caught:
        choose(parse_one_line(lines), environment)
    assert "DIB_DISTRIBUTION_MIRROR" in caught.value.do


def test_both_kinds_of_files_are_read_and_others_are_not(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("# empty\n")
    (parts / "a.list.disabled").write_text("deb http://off.example/debian trixie main\n")
    (parts / "b.sources").write_text(DEB822)
    assert of_this_machine({}, tmp_path).debian == "http://mirror.example/debian"
