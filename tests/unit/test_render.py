# SPDX-License-Identifier: Apache-2.0
"""haproxy.cfg holds exactly the directives that the model implies, whatever the model accepts.

The expectation below is a second opinion: it builds words from the model by itself, and the
generated file is read back by a reader that follows HAProxy's rules of quoting, not ours.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.drivers.haproxy_file import fingerprint_in, listing_of
from services.model import (
    Balance,
    Check,
    CheckKind,
    Cluster,
    Document,
    Mode,
    Model,
    Persistence,
    RealServer,
    ServerState,
    VirtualService,
)
from services.render import Place, haproxy_wanted, system_files
from services.render.quote import haq
from tests.strategies import documents

PLACE = Place(run=PurePath("/run/ballast"), etc=PurePath("/etc"))
Words = tuple[str, ...]


# -- a reader of HAProxy's language ----------------------------------------------------------


def words_of(line: str) -> Words:
    """One line as HAProxy splits it (configuration manual 2.2, quoting and escaping)."""
    words: list[str] = []
    word: str | None = None
    quote, signs = "", iter(line)
    for sign in signs:
        if quote:
            if sign == quote:
                quote = ""
            elif sign == "\\" and quote == '"':
                word = (word or "") + next(signs)
            else:
                assert not (sign == "$" and quote == '"'), "an environment variable"
                word = (word or "") + sign
        elif sign in "'\"":
            quote, word = sign, word or ""
        elif sign == "\\":
            word = (word or "") + next(signs)
        elif sign == "#":
            break
        elif sign in " \t":
            words += [word] if word is not None else []
            word = None
        else:
            assert sign != "$", "an environment variable outside quotes"
            word = (word or "") + sign
    assert not quote, f"an open quote: {line}"
    return tuple(words + ([word] if word is not None else []))


def sections_of(config: bytes) -> dict[Words, Counter[Words]]:
    """Directives by section; a line that does not stand indented opens a section."""
    sections: dict[Words, Counter[Words]] = {}
    here: Counter[Words] = Counter()
    for line in config.decode().split("\n"):
        words = words_of(line)
        if words and not line.startswith(" "):
            assert words not in sections
            here = sections[words] = Counter()
        elif words:
            here[words] += 1
    return sections


# -- the second opinion ----------------------------------------------------------------------


def expected(document: Document) -> dict[Words, Counter[Words]]:
    services = document.cluster.layer7
    sections: dict[Words, Counter[Words]] = {}
    for service in services:
        sections["listen", f"vs{service.id}"] = Counter(map(tuple, _service(service)))
    if any(each.persistence is Persistence.SOURCE_IP for each in services):
        sections["peers", "ballast"] = Counter([("peer", "ballast", "abns@ballast-peers")])
    return sections


def _service(service: VirtualService) -> Iterator[list[str]]:
    yield ["id", str(service.id)]
    yield ["mode", service.mode.value]
    yield ["balance", service.balance.value]
    yield ["maxconn", str(service.max_connections)]
    for address in service.addresses:
        for ports in service.ports.split(","):
            if address.version == 6:
                yield ["bind", f"[{address}]:{ports}", "v6only"]
            else:
                yield ["bind", f"{address}:{ports}"]
    if service.mode is Mode.HTTP:
        yield ["option", "idle-close-on-response"]
        if service.x_forwarded_for:
            yield ["option", "forwardfor"]
    if service.persistence is Persistence.HTTP_COOKIE:
        times = ["maxidle", f"{service.cookie_max_idle_min}m"]
        times += ["maxlife", f"{service.cookie_max_life_h}h"]
        yield ["cookie", service.cookie_name, "insert", "indirect", "nocache", "httponly", *times]
    if service.persistence is Persistence.SOURCE_IP:
        size = service.persistence_table_size
        minutes = service.persistence_timeout_min
        table = ["size", str(size), "expire", f"{minutes}m", "peers", "ballast"]
        yield ["stick-table", "type", "ipv6", *table]
        yield ["stick", "on", "src"]
    yield from _check(service.check)
    for server in service.servers:
        yield list(_server(service, server))
    if service.fallback_address:
        fallback = service.fallback_address
        at = f"[{fallback}]" if fallback.version == 6 else str(fallback)
        yield ["server", "fallback", f"{at}:{service.fallback_port}", "backup", "non-stick"]


def _check(check: Check) -> Iterator[list[str]]:
    if check.kind is CheckKind.NONE:
        return
    yield ["timeout", "check", f"{check.timeout_s}s"]
    port = ["port", str(check.port)] if check.port else []
    times = ["inter", f"{check.interval_s}s", "fall", str(check.fall), "rise", str(check.rise)]
    yield ["default-server", *times, *port]
    if check.kind is CheckKind.CONNECT:
        return
    yield ["option", "httpchk"]
    method = check.kind.value.removeprefix("http_").upper()
    version = ["ver", "HTTP/1.1", "hdr", "Host", check.host] if check.host else ["ver", "HTTP/1.0"]
    yield ["http-check", "send", "meth", method, "uri", check.path, *version]
    yield ["http-check", "expect", "status", check.expect_status]
    if check.expect:
        yield ["http-check", "expect", "string", check.expect]


def _server(service: VirtualService, server: RealServer) -> Iterator[str]:
    at = f"[{server.address}]" if server.address.version == 6 else str(server.address)
    yield from ["server", f"rs{server.id}", f"{at}:{server.port}", "id", str(server.id)]
    if service.check.kind is not CheckKind.NONE:
        yield "check"
    if service.persistence is Persistence.HTTP_COOKIE:
        yield from ["cookie", f"s{server.id}"]
    if 0 < server.min_connections < server.max_connections:
        yield from ["minconn", str(server.min_connections)]
    if server.max_connections:
        yield from ["maxconn", str(server.max_connections)]
    weight = 0 if server.state is ServerState.DRAIN else server.weight
    yield from ["weight", str(weight)]
    if server.state is ServerState.HALT:
        yield "disabled"


def _page_binds(document: Document) -> set[Words]:
    """Layer 7 finds the built-in page on the loopback, layer 4 at the unit's own addresses."""
    page = ("127.0.0.1", 9081)
    layer7 = {(str(s.fallback_address), s.fallback_port) for s in document.cluster.layer7}
    binds = {"127.0.0.1"} if page in layer7 else set()
    own = [address.ip for card in document.local.interfaces for address in card.addresses]
    for service in document.cluster.layer4:
        if (str(service.fallback_address), service.fallback_port) == page:
            for version in {vip.version for vip in service.addresses}:
                first = [ip for ip in own if ip.version == version][:1]
                binds |= {f"[{ip}]" if version == 6 else str(ip) for ip in first}
    return {("bind", f"{address}:9081") for address in binds}


@settings(deadline=None, max_examples=60)
@given(documents())
def test_the_directives_are_those_the_model_implies_and_no_others(document: Document) -> None:
    found = sections_of(haproxy_wanted(document, PLACE).config.data)
    fixed = {("global",), ("defaults",)}
    page = found.pop(("listen", "fallback-page"), None)
    assert {words for words in page or () if words[0] == "bind"} == _page_binds(document)
    assert fixed <= found.keys()
    assert {name: found[name] for name in found.keys() - fixed} == expected(document)
    keywords = sorted(words[0] for words in found["global",])
    assert keywords == [
        "description",
        "fd-hard-limit",
        "group",
        "hard-stop-after",
        "localpeer",
        "mworker-max-reloads",
        "server-state-file",
        "stats",
        "user",
    ]


@pytest.mark.needs("haproxy")
@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(documents())
def test_whatever_the_model_accepts_haproxy_accepts_without_a_warning(document: Document) -> None:
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        place = Place(run=PurePath(folder))
        Path(place.haproxy).mkdir()
        Path(place.state_file).write_text("1\n")
        Path(place.config).write_bytes(haproxy_wanted(document, place).config.data)
        said = subprocess.run(
            ["haproxy", "-c", "-f", str(place.config)],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (said.returncode, said.stderr) == (0, "")


@settings(deadline=None, max_examples=40)
@given(documents())
def test_the_driver_reads_the_same_servers_out_of_the_file(document: Document) -> None:
    wanted = haproxy_wanted(document, PLACE)
    listing = listing_of(wanted.config.data)
    assert fingerprint_in(wanted.config.data) == wanted.fingerprint
    assert {key: line.knobs for key, line in listing.servers.items()} == wanted.servers
    for service in document.cluster.layer7:
        assert listing.services[service.id] == service.label
        assert {ip_address(address) for address, _ in listing.binds[service.id]} == set(
            service.addresses
        )
        for server in service.servers:
            line = listing.servers[service.id, server.id]
            assert (line.label, line.port) == (server.label, server.port)
            assert ip_address(line.address) == server.address
            assert line.checked == (service.check.kind is not CheckKind.NONE)


@settings(deadline=None, max_examples=30)
@given(documents(), st.randoms())
def test_the_order_on_the_screen_changes_no_byte(document: Document, chance: Any) -> None:
    services = [
        service.model_copy(
            update={"servers": tuple(chance.sample(service.servers, len(service.servers)))}
        )
        for service in document.cluster.services
    ]
    chance.shuffle(services)
    turned = document.model_copy(update={"cluster": Cluster().with_services(services)})
    assert haproxy_wanted(turned, PLACE) == haproxy_wanted(document, PLACE)


# -- the fingerprint -------------------------------------------------------------------------

SERVER = RealServer(
    id=1, label="web1", address=ip_address("198.51.100.1"), port=80, max_connections=9
)
SERVICE = VirtualService(
    id=7,
    label="web",
    addresses=(ip_address("203.0.113.10"),),
    ports="80",
    check=Check(kind=CheckKind.HTTP_GET),
    servers=(SERVER,),
)
COOKIE = SERVICE.model_copy(update={"persistence": Persistence.HTTP_COOKIE})
STICKY = SERVICE.model_copy(update={"persistence": Persistence.SOURCE_IP})

CHECK_EDITS: dict[str, Any] = {
    "kind": "http_head",
    "port": 81,
    "path": "/x",
    "host": "a.example",
    "expect_status": "200",
    "expect": "ok",
    "interval_s": 9,
    "timeout_s": 2,
    "fall": 9,
    "rise": 9,
}
SERVICE_EDITS: dict[str, tuple[VirtualService, Any]] = {
    "id": (SERVICE, 8),
    "addresses": (SERVICE, ("203.0.113.11",)),
    "ports": (SERVICE, "81"),
    "mode": (SERVICE, "tcp"),
    "balance": (SERVICE, Balance.ROUNDROBIN),
    "persistence": (SERVICE, "source_ip"),
    "cookie_name": (COOKIE, "X"),
    "cookie_max_idle_min": (COOKIE, 31),
    "cookie_max_life_h": (COOKIE, 13),
    "persistence_timeout_min": (STICKY, 31),
    "persistence_table_size": (STICKY, 101),
    "max_connections": (SERVICE, 1),
    "x_forwarded_for": (SERVICE, False),
    "fallback_address": (SERVICE, "198.51.100.9"),
    "fallback_port": (SERVICE, 9082),
    "check": (SERVICE, Check()),
    "servers": (SERVICE, ()),
}
SERVER_EDITS: dict[str, Any] = {
    "id": 2,
    "address": "198.51.100.2",
    "port": 81,
    "min_connections": 3,
    "max_connections": 8,
}
AT_RUN_TIME = {"label": "renamed", "comment": "words", "weight": 5, "state": "halt"}


def _fingerprint(service: VirtualService) -> str:
    return haproxy_wanted(Document(cluster=Cluster(layer7=(service,))), PLACE).fingerprint


def _edited(model: Model, **fields: Any) -> Any:
    return type(model).model_validate(model.model_dump() | fields)


def test_every_field_of_the_model_was_thought_of() -> None:
    assert CHECK_EDITS.keys() == set(Check.model_fields)
    assert SERVICE_EDITS.keys() | {"label", "comment"} == set(VirtualService.model_fields)
    assert SERVER_EDITS.keys() | AT_RUN_TIME.keys() == set(RealServer.model_fields)


@pytest.mark.parametrize("field", SERVICE_EDITS)
def test_an_edit_of_a_service_asks_for_a_reload(field: str) -> None:
    service, value = SERVICE_EDITS[field]
    assert _fingerprint(_edited(service, **{field: value})) != _fingerprint(service)


@pytest.mark.parametrize("field", CHECK_EDITS)
def test_an_edit_of_a_check_asks_for_a_reload(field: str) -> None:
    check = _edited(SERVICE.check, **{field: CHECK_EDITS[field]})
    assert _fingerprint(_edited(SERVICE, check=check)) != _fingerprint(SERVICE)


@pytest.mark.parametrize("field", SERVER_EDITS)
def test_an_edit_of_a_server_asks_for_a_reload(field: str) -> None:
    server = _edited(SERVER, **{field: SERVER_EDITS[field]})
    assert _fingerprint(_edited(SERVICE, servers=(server,))) != _fingerprint(SERVICE)


@pytest.mark.parametrize("field", AT_RUN_TIME)
def test_names_and_knobs_of_a_server_ask_for_none(field: str) -> None:
    server = _edited(SERVER, **{field: AT_RUN_TIME[field]})
    assert _fingerprint(_edited(SERVICE, servers=(server,))) == _fingerprint(SERVICE)


@pytest.mark.parametrize("field", ["label", "comment"])
def test_names_of_a_service_ask_for_none(field: str) -> None:
    assert _fingerprint(_edited(SERVICE, **{field: "other"})) == _fingerprint(SERVICE)


def test_a_phrase_that_looks_like_a_knob_is_still_in_the_fingerprint() -> None:
    one, other = (
        _edited(SERVICE, check=_edited(SERVICE.check, expect=f"server rs1 weight {n} disabled"))
        for n in (1, 2)
    )
    assert _fingerprint(one) != _fingerprint(other)


# -- what must not get through ---------------------------------------------------------------


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cc", "Zl", "Zp")), max_size=60))
def test_quoted_text_is_one_word_and_the_same(text: str) -> None:
    assert words_of(f"a {haq(text)} b") == ("a", text, "b")


@pytest.mark.parametrize("sign", ["\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\u2028"])
def test_a_control_character_is_refused(sign: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        haq(f"a{sign}b")


@pytest.mark.parametrize("value", [None, True, 1.5, b"x", ("a",)])
def test_what_is_no_word_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        haq(value)


@pytest.mark.parametrize("field", ["label", "cookie_name"])
def test_a_string_that_slipped_past_the_model_makes_no_directive(field: str) -> None:
    service = COOKIE.model_copy(update={field: "x\n    bind *:1"})
    with pytest.raises(ValueError, match="control character"):
        _fingerprint(service)


@pytest.mark.parametrize("text", ["a b", "a'b", 'a"b', "a#b", "${HOME}", "a\\ b"])
def test_signs_that_slipped_past_the_model_stay_one_word(text: str) -> None:
    service = COOKIE.model_copy(update={"cookie_name": text})
    config = haproxy_wanted(Document(cluster=Cluster(layer7=(service,))), PLACE).config.data
    (cookie,) = (words for words in sections_of(config)["listen", "vs7"] if words[0] == "cookie")
    assert cookie[1] == text


def test_an_object_without_an_id_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="without an id"):
        _fingerprint(SERVICE.model_copy(update={"id": 0}))


def test_without_a_second_account_none_is_named() -> None:
    config = haproxy_wanted(Document(), Place(account=None)).config.data
    words = {line[0] for line in sections_of(config)["global",]}
    assert not {"user", "group"} & words


def test_without_services_nothing_needs_to_run() -> None:
    assert not haproxy_wanted(Document(), PLACE).running


def test_system_files_lie_in_the_places_etc() -> None:
    paths = {file.path for file in system_files(Document(), Place(etc=PurePath("/x")))}
    assert paths == {"/x/hostname", "/x/hosts", "/x/resolv.conf"}
