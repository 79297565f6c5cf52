# SPDX-License-Identifier: Apache-2.0
"""Health checks of other programs, in the fields of ours; what has none is told."""

from __future__ import annotations

import pytest

from services.exchange import Imported, read_keepalived, read_ldirectord
from services.exchange.names import Labels
from services.model.checks import CheckProtocol, CheckType, Layer4Check


def ldirectord(*settings: str, head: str = "", port: int = 80) -> Imported:
    lines = [f"virtual=192.0.2.1:{port}", *(f"\t{each}" for each in settings)]
    return read_ldirectord(head + "\n".join(lines) + "\n", marks={}, labels=Labels())


def keepalived(*checkers: str, weight: int = 1, around: str = "") -> Imported:
    servers = "".join(
        f"real_server 10.0.0.{number} 80 {{\nweight {weight}\n{checker}\n}}\n"
        for number, checker in enumerate(checkers, start=1)
    )
    text = f"virtual_server 192.0.2.1 80 {{\n{around}\n{servers}}}\n"
    return read_keepalived(text, marks={}, labels=Labels())


def check(came: Imported) -> Layer4Check:
    (service,) = came.services
    return service.check


def told(came: Imported) -> list[str]:
    return [each.why for each in came.leftovers]


@pytest.mark.parametrize(
    ("port", "kind", "protocol"),
    [
        (80, CheckType.NEGOTIATE, CheckProtocol.HTTP),
        (995, CheckType.NEGOTIATE, CheckProtocol.POP3S),
        (5432, CheckType.NEGOTIATE, CheckProtocol.POSTGRESQL),
        (8080, CheckType.ALWAYS_ON, CheckProtocol.HTTP),
    ],
)
def test_what_ldirectord_does_untold_depends_on_the_port(
    port: int, kind: CheckType, protocol: CheckProtocol
) -> None:
    came = ldirectord(port=port)
    assert (check(came).kind, check(came).protocol) == (kind, protocol)
    assert came.leftovers == ()


def test_a_service_whose_own_check_has_no_like_is_told_and_gets_a_connect() -> None:
    came = ldirectord(port=1521)
    assert check(came).kind is CheckType.CONNECT
    assert told(came) == ["`oracle` is nothing that checks speak."]


@pytest.mark.parametrize(
    ("word", "kind", "connects"),
    [
        ("connect", CheckType.CONNECT, 0),
        ("negotiate", CheckType.NEGOTIATE, 0),
        ("ping", CheckType.PING, 0),
        ("on", CheckType.ALWAYS_ON, 0),
        ("off", CheckType.ALWAYS_OFF, 0),
        ("5", CheckType.NEGOTIATE, 5),
    ],
)
def test_kinds_of_checks(word: str, kind: CheckType, connects: int) -> None:
    came = ldirectord(f"checktype={word}")
    assert (check(came).kind, check(came).connects) == (kind, connects)
    assert came.leftovers == ()


def test_a_udp_service_is_connected_to_by_a_ping_as_ldirectord_does() -> None:
    assert check(ldirectord("protocol=udp", "checktype=connect")).kind is CheckType.PING


def test_a_request_of_http_is_a_path_and_of_a_proxy_a_site() -> None:
    assert check(ldirectord('request="a.html"')).request == "/a.html"
    proxy = check(ldirectord('request="http://www.example.com/a?b=1"', "service=http_proxy"))
    assert (proxy.host, proxy.request) == ("www.example.com", "/a?b=1")
    assert check(ldirectord('request="hello"', "service=simpletcp")).request == "hello"


def test_a_pattern_is_not_taken_for_a_text() -> None:
    assert check(ldirectord('receive="All is well."')).expect == "All is well."
    came = ldirectord('receive="^(ok|fine)$"')
    assert check(came).expect == ""
    assert told(came) == ["It is a pattern, and only plain text is looked for."]


def test_a_section_says_it_for_itself_and_else_the_daemon() -> None:
    head = "checkinterval=30\nchecktimeout=7\nfailurecount=4\n"
    both = check(ldirectord("checktype=connect", "failurecount=2", head=head))
    assert (both.interval_s, both.timeout_s, both.fall, both.rise) == (30, 7, 2, 1)


def test_a_check_is_over_before_the_next_begins() -> None:
    came = ldirectord("checktype=connect", head="checkinterval=3\nchecktimeout=9\n")
    assert check(came).timeout_s == 3
    assert told(came) == ["A check is over before the next one begins: 3 is taken."]


def test_values_the_model_refuses_are_told_and_leave_the_rest() -> None:
    came = ldirectord('virtualhost="two words"', "checkport=8080", "failurecount=900")
    assert (check(came).host, check(came).port, check(came).fall) == ("", 8080, 100)
    assert min(told(came)) == "`900` is out of range. 100 is taken instead."
    assert len(came.leftovers) == 2


def test_scripts_and_secrets_are_files_that_people_store() -> None:
    came = ldirectord("checktype=external", 'checkcommand="/usr/bin/ok -v"', 'passwd="x"')
    assert check(came).kind is CheckType.EXTERNAL
    assert [each.first for each in came.leftovers] == [3, 4]
    assert check(came).script == "ok"
    assert "`ballast script add ok FILE`" in told(came)[0]


HTTP = "HTTP_GET {\nurl {\npath /up\nstatus_code 200 204-206\n}\nconnect_port 81\nretry 4\n}"


def test_one_checker_of_all_servers_is_the_services() -> None:
    came = keepalived(HTTP, HTTP, around="delay_loop 6\nconnect_timeout 2")
    found = check(came)
    assert came.leftovers == ()
    assert (found.kind, found.protocol) == (CheckType.NEGOTIATE, CheckProtocol.HTTP)
    assert (found.request, found.expect_status, found.port) == ("/up", "200,204-206", 81)
    assert (found.interval_s, found.timeout_s, found.fall) == (6, 2, 5)


def test_another_servers_other_checker_is_told_line_by_line() -> None:
    came = keepalived(HTTP, "TCP_CHECK {\nretry 1\n}")
    assert told(came) == ["The first server of the service has another check."] * 2


def test_a_refused_value_is_told_at_every_server() -> None:
    checker = "HTTP_GET {\nurl {\npath /up\nstatus_code 2xx\n}\n}"
    came = keepalived(checker, checker)
    assert len(came.leftovers) == 2
    assert check(came).expect_status == "200-399"


@pytest.mark.parametrize(
    ("checker", "kind", "fall"),
    [
        ("", CheckType.ALWAYS_ON, 2),
        ("TCP_CHECK {\n}", CheckType.CONNECT, 2),
        ("DNS_CHECK {\n}", CheckType.NEGOTIATE, 4),
        ("PING_CHECK {\n}", CheckType.PING, 2),
        ("MISC_CHECK {\n}", CheckType.EXTERNAL, 1),
        ("DNS_CHECK {\nretry 0\n}", CheckType.NEGOTIATE, 1),
    ],
)
def test_what_keepalived_does_untold(checker: str, kind: CheckType, fall: int) -> None:
    came = keepalived(checker)
    assert (check(came).kind, check(came).fall) == (kind, fall)
    assert came.leftovers == ()


def test_a_quorum_counts_servers_where_their_weights_do() -> None:
    came = keepalived("", "", "", "", around="quorum 3\nhysteresis 1")
    assert (check(came).quorum_down, check(came).quorum_up) == (2, 4)
    weighed = keepalived("", "", weight=5, around="quorum 3")
    assert check(weighed).quorum_down == 0
    assert told(weighed) == ["A quorum counts servers, and these have weights other than 1."]
    assert check(keepalived("", around="quorum 1")).quorum_down == 0
