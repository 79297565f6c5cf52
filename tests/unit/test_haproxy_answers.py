# SPDX-License-Identifier: Apache-2.0
"""What HAProxy and hostile servers say is read as data, and told in people's words.

The texts are HAProxy 2.6's own, recorded; where a newer version differs it is said.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.drivers.haproxy_answers import (
    Worker,
    clients_from,
    connections_from,
    knobs_from,
    processes_from,
    server_key,
    service_id,
    sessions_from,
    worker_from,
)
from services.drivers.haproxy_file import PAGE, Listing, ServerLine, listing_of
from services.drivers.haproxy_log import KEEP, HaproxyLog, remedy
from services.drivers.haproxy_stats import counters_from
from services.drivers.haproxy_workers import batches
from services.drivers.server_state import VERSION, carried
from services.errors import Unable
from services.plan.state import ServerKnobs

INFO = "Name: HAProxy\nVersion: 2.6.12\nPid: 2041\nUptime_sec: 61\ndescription: {}\nnode: lb"

PROC = """\
#<PID>          <type>          <reloads>       <uptime>        <version>
9014            master          3 [failed: 2]   0d00h00m02s     2.6.12-1+deb12u4
# workers
9363            worker          0               0d00h00m00s     2.6.12-1+deb12u4
# old workers
9017            worker          1               0d00h00m02s     2.6.12-1+deb12u4
9100            worker          2               0d00h00m01s     2.6.12-1+deb12u4
# programs

"""

STATE_COLUMNS = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health "
    "srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord "
    "srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port"
)


def state(
    name: str = "rs1",
    *,
    address: str = "198.51.100.1",
    up: int = 2,
    admin: int = 0,
    weight: int = 100,
    port: int = 80,
    check_port: int = 0,
) -> str:
    return (
        f"7 vs7 1 {name} {address} {up} {admin} {weight} 100 9 15 3 4 6 0 1 1 - {port} - 0 "
        f"{check_port} - - 0"
    )


def states(*rows: str) -> str:
    return "\n".join(["1", f"# {STATE_COLUMNS}", *rows, ""])


# -- who answers -----------------------------------------------------------------------------


def test_the_worker_tells_which_file_it_has_loaded() -> None:
    assert worker_from(INFO.format("ballast-0a1b")) == Worker(2041, "0a1b", 61)


def test_a_file_that_is_not_ours_has_no_fingerprint() -> None:
    assert worker_from(INFO.format("somebody's")).fingerprint == ""


@pytest.mark.parametrize("answer", ["", "Unknown command", "Pid: many", "\0\x1b[2J"])
def test_an_answer_that_is_not_haproxys_is_an_error_without_control_characters(
    answer: str,
) -> None:
    with pytest.raises(Unable) as found:
        worker_from(answer)
    assert found.value.what.isprintable()


def test_the_processes_are_told_apart() -> None:
    found = processes_from(PROC)
    assert (found.master, found.failed, found.worker) == (9014, 2, 9363)
    assert found.leaving == (9100, 9017)


def test_a_newer_master_that_counts_no_failures_has_none() -> None:
    assert processes_from(PROC.replace(" [failed: 2]", "")).failed == 0


@pytest.mark.parametrize(
    "name", ["vs", "vs-1", "vs1x", "xvs1", "vs99999999999", "fallback-page", "vs１", ""]
)
def test_a_proxy_that_is_not_ours_is_none_of_ours(name: str) -> None:
    assert service_id(name) is None
    assert server_key(name, "rs1") is None


# -- knobs and connections -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "knobs"),
    [
        (state(), ServerKnobs(100, halted=False)),
        (state(weight=0), ServerKnobs(0, halted=False)),
        (state(admin=1), ServerKnobs(100, halted=True)),
        (state(admin=5), ServerKnobs(100, halted=True)),
        # left maintenance at run time: the bit that says "by the file" stays
        (state(admin=4), ServerKnobs(100, halted=False)),
        # drained by somebody's hand
        (state(admin=8), ServerKnobs(0, halted=False)),
    ],
)
def test_knobs_are_read_from_the_state(row: str, knobs: ServerKnobs) -> None:
    assert knobs_from(states(row, state("fallback"))) == {(7, 1): knobs}


def test_connections_are_read_from_the_first_columns_only() -> None:
    text = 'vs7,rs1,0,0,12,20,,30,"x\x0bvs7,rs2,0,0,99,1"\nvs7,BACKEND,0,0,13,0,1\n'
    assert connections_from(text) == {(7, 1): 12}


def test_clients_are_those_of_a_service_idle_or_not() -> None:
    text = "vs7,FRONTEND,,,12,20,,30\nvs7,rs1,0,0,1,2,,3\nfallback-page,FRONTEND,,,4,5,,6\n"
    assert clients_from(text) == {7: 12}


def test_sessions_are_found_by_their_server() -> None:
    text = (
        "0x55: proto=tcpv4 src=192.0.2.1:40100 fe=vs7 be=vs7 srv=rs1 ts=00 epoch=0 age=2s\n"
        "0x56: proto=tcpv4 src=192.0.2.1:40101 fe=vs7 be=vs7 srv=fallback ts=00 age=2s\n"
        "0x57: proto=sockpair src=unix:2 fe=GLOBAL be=<NONE> srv=<none> ts=00 age=0s\n"
    )
    assert list(sessions_from(text)) == [((7, 1), "0x55")]


def test_commands_are_batched_below_haproxys_line() -> None:
    lines = [f"set server vs7/rs{number} weight 1" for number in range(1000)]
    made = list(batches(lines))
    assert ";".join(made).split(";") == lines
    assert all(len(batch) < 16_384 for batch in made)
    assert list(batches([])) == []


# -- health that a new worker takes over -----------------------------------------------------

LINE = ServerLine("web1", "198.51.100.1", 80, checked=True, knobs=ServerKnobs(100, halted=False))


def carried_row(row: str, line: ServerLine = LINE) -> dict[str, str]:
    lines = carried(states(row), {(7, 1): line}).split("\n")
    assert lines[:2] == ["1", f"# {STATE_COLUMNS}"]
    return dict(zip(STATE_COLUMNS.split(), lines[2].split(), strict=False))


def test_health_is_carried_over() -> None:
    assert carried_row(state(up=0))["srv_op_state"] == "0"


def test_weight_maintenance_and_check_port_are_the_new_files() -> None:
    heavy = ServerLine("web1", "198.51.100.1", 80, checked=True, knobs=ServerKnobs(7, halted=False))
    row = carried_row(state(weight=0, admin=8, check_port=9000), heavy)
    assert (row["srv_uweight"], row["srv_iweight"]) == ("7", "7")
    assert (row["srv_admin_state"], row["srv_check_port"]) == ("0", "0")


@pytest.mark.parametrize(
    "row",
    [
        state(address="198.51.100.2"),
        state(port=81),
        state(admin=1),
        state("rs2"),
        state("fallback"),
    ],
)
def test_a_server_that_is_not_the_same_starts_afresh(row: str) -> None:
    assert not carried_row(row)


@pytest.mark.parametrize(
    "line",
    [
        ServerLine("web1", "198.51.100.1", 80, checked=False, knobs=ServerKnobs(1, halted=False)),
        ServerLine("web1", "198.51.100.1", 80, checked=True, knobs=ServerKnobs(1, halted=True)),
    ],
)
def test_a_server_that_is_halted_or_unchecked_starts_afresh(line: ServerLine) -> None:
    assert not carried_row(state(), line)


def test_an_ipv6_server_is_recognised_in_any_spelling() -> None:
    line = ServerLine("web1", "2001:db8::1", 80, checked=True, knobs=LINE.knobs)
    assert carried_row(state(address="2001:db8:0:0::1"), line)


def test_without_a_state_the_file_is_empty_but_valid() -> None:
    assert carried("", {(7, 1): LINE}) == VERSION


# -- statistics and reasons ------------------------------------------------------------------

_READ = """
    pxname svname qcur qmax scur smax slim stot bin bout status weight lastchg rate
    check_status check_code check_duration last_chk check_desc
    last_agt agent_status agent_duration
"""
COLUMNS = _READ.split()


def stat(*rows: Mapping[str, object]) -> str:
    told = io.StringIO()
    write = csv.DictWriter(told, [*COLUMNS, ""], restval="", lineterminator="\n")
    write.writeheader()
    write.writerows({"pxname": "vs7", "svname": "rs1", "status": "UP", **row} for row in rows)
    return f"# {told.getvalue()}"


def reason(**row: object) -> str:
    servers, _ = counters_from(stat({"status": "DOWN", **row}), {7: "200-399"})
    return servers[7, 1].reason


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"check_status": "L4CON", "last_chk": "Connection refused"}, "connection refused"),
        ({"check_status": "* L4CON", "last_chk": "Connection refused"}, "connection refused"),
        ({"check_status": "L4CON"}, "connection refused"),
        (
            {
                "check_status": "L4CON",
                "last_chk": "General socket error (Network is unreachable)",
            },
            "network is unreachable",
        ),
        (
            {
                "check_status": "L4CON",
                "last_chk": "Connection refused at initial connection step of tcp-check",
            },
            "connection refused",
        ),
        ({"check_status": "L4TOUT", "check_duration": 4002}, "no connection within 4.0 s"),
        ({"check_status": "L7TOUT", "check_duration": 3001}, "no answer within 3.0 s"),
        (
            {"check_status": "L7STS", "check_code": 503, "last_chk": "Busy"},
            "answer 503, expected 200-399",
        ),
        (
            {"check_status": "L7RSP", "last_chk": "HTTP content check did not match"},
            "the answer lacks the expected text",
        ),
        ({"check_status": "L7RSP"}, "no valid HTTP answer"),
        ({"check_status": "L6RSP", "last_chk": "bad record"}, "TLS handshake failed: bad record"),
        ({"check_status": "INI"}, "not checked yet"),
        ({"check_status": "NEWER", "last_chk": "words"}, "words"),
        ({"status": "DOWN 1/2"}, "answers again, 1 of 2 good checks"),
        ({"status": "UP"}, ""),
        ({"status": "no check"}, ""),
        ({"status": "MAINT"}, ""),
        (
            {"status": "UP 1/2", "check_status": "L7STS", "check_code": 500},
            "check failed: answer 500, expected 200-399",
        ),
    ],
)
def test_a_reason_is_told_in_peoples_words(row: dict[str, object], words: str) -> None:
    assert reason(**row) == words


@pytest.mark.parametrize(
    ("status", "up"),
    [
        ("UP", True),
        ("UP 1/2", True),
        ("DRAIN", True),
        ("no check", True),
        ("DOWN", False),
        ("DOWN 1/2", False),
        ("MAINT", False),
    ],
)
def test_health_is_read_from_the_status(status: str, up: bool) -> None:
    servers, _ = counters_from(stat({"status": status}), {})
    assert servers[7, 1].up is up


def test_counters_are_read_by_the_names_of_their_columns() -> None:
    text = stat(
        {"svname": "FRONTEND", "scur": 9, "stot": 5, "rate": 1, "bin": 10, "bout": 20},
        {"scur": 3, "qcur": 2, "stot": 8, "rate": 4, "bin": 1, "bout": 2, "lastchg": 77}
        | {"check_duration": 12},
        {"svname": "fallback"},
        {"svname": "BACKEND", "scur": 3, "stot": 50, "rate": 40},
        {"pxname": "fallback-page", "svname": "FRONTEND", "scur": 1},
    )
    servers, services = counters_from(text, {})
    web = servers[7, 1]
    assert (web.connections, web.queued, web.sessions_total, web.sessions_per_s) == (3, 2, 8, 4)
    assert (web.bytes_total, web.since_s, web.check_ms) == (3, 77, 12)
    front = services[7]
    assert (front.connections, front.sessions_total, front.sessions_per_s) == (9, 50, 40)
    assert front.bytes_total == 30
    assert (set(servers), set(services)) == ({(7, 1)}, {7})


@pytest.mark.parametrize(
    "said",
    [
        "\x1b[31mred",
        '"quoted, with ""commas""',
        "\x0bvs7,rs2,0,0,9",
        "\x85vs7,rs2",
        "\u2028vs7,rs2",
        "[bold]x[/bold]",
        "a" * 5000,
        "\0",
        "",
    ],
)
def test_a_hostile_server_writes_one_bounded_line_and_no_second_row(said: str) -> None:
    text = stat({"status": "DOWN", "check_status": "SOCKERR", "last_chk": said})
    servers, _ = counters_from(text, {})
    assert set(servers) == {(7, 1)}
    told = servers[7, 1].reason
    assert told.isprintable()
    assert len(told) <= 80


def test_a_server_that_hung_up_is_told_in_words_also_where_haproxy_has_none() -> None:
    text = stat({"status": "DOWN", "check_status": "SOCKERR", "last_chk": ""})
    servers, _ = counters_from(text, {})
    assert servers[7, 1].reason == "the connection ended without an answer"


@pytest.mark.parametrize("text", ["", "Unknown command", "# a,b\n1,2\n", 'x"\n"\n'])
def test_what_is_no_statistics_is_an_error(text: str) -> None:
    with pytest.raises(Unable, match="show stat"):
        counters_from(text, {})


# -- the log ---------------------------------------------------------------------------------

REFUSED = """\
[NOTICE]   (41) : haproxy version is 2.6.12
[ALERT]    (41) : config : parsing [/run/ballast/haproxy/candidate-1.cfg:29] : unknown keyword 'x'.
[ALERT]    (41) : config : Error(s) found in configuration file : /run/candidate-1.cfg
[ALERT]    (41) : config : Fatal errors found in configuration.
"""


def test_alerts_are_told_without_numbers_and_summaries() -> None:
    assert HaproxyLog.told(REFUSED) == "parsing [haproxy.cfg:29] : unknown keyword 'x'"


def test_without_alerts_the_last_words_are_told() -> None:
    assert HaproxyLog.told("[NOTICE] (1) : hello\n[WARNING] (1) : odd\nplain") == "odd; plain"


def test_the_answer_of_a_newer_master_is_told() -> None:
    words = HaproxyLog.told(f"Success=0\n--\n{REFUSED}")
    assert words == "parsing [haproxy.cfg:29] : unknown keyword 'x'"


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("[203.0.113.10:80]", "holds 203.0.113.10:80:"),
        ("for [203.0.113.10:80]", "holds 203.0.113.10:80:"),
        ("for [[2001:db8::1]:80]", "holds [2001:db8::1]:80:"),
    ],
)
def test_a_held_port_is_named_in_the_remedy(where: str, told: str) -> None:
    assert told in remedy(f"cannot bind socket (Address already in use) {where}; more")


def test_an_absent_address_is_named_in_the_remedy() -> None:
    assert "203.0.113.9:80" in remedy("(Cannot assign requested address) for [203.0.113.9:80]")


def test_only_what_was_said_since_the_mark_is_told(tmp_path: Path) -> None:
    log = HaproxyLog(tmp_path / "log")
    assert log.mark() == 0
    (tmp_path / "log").write_text("[ALERT] (1) : before\n")
    mark = log.mark()
    with (tmp_path / "log").open("a") as file:
        file.write("[ALERT] (1) : after\n")
    assert log.since(mark) == "after"
    (tmp_path / "log").write_bytes(b"x" * (KEEP + 1))
    assert log.mark() == 0


# -- the file --------------------------------------------------------------------------------

CONFIG = b"""\
# shop
listen vs7
    id 7
    bind 203.0.113.10:80
    bind [2001:db8::1]:1000-1001 v6only
    http-check expect status 200-399
    server rs1 198.51.100.1:80 id 1 check weight 100 # web1
    server fallback 127.0.0.1:9081 backup non-stick
"""


def shop() -> Listing:
    return listing_of(CONFIG)


def test_the_file_tells_its_servers_ports_and_good_answers() -> None:
    assert shop().servers == {(7, 1): LINE}
    assert shop().statuses == {7: "200-399"}
    assert shop().binds[7] == (("203.0.113.10", 80), ("2001:db8::1", 1000), ("2001:db8::1", 1001))


def test_haproxys_names_are_told_with_labels() -> None:
    said = "'server vs7/rs1': bad; proxy vs7: bad; vs8/rs1; vs7/rs9"
    assert shop().named(said) == (
        "'server shop/web1 (vs7/rs1)': bad; proxy shop (vs7): bad; vs8/rs1; vs7/rs9"
    )
    assert shop().name((7, 1)) == "shop/web1"
    assert shop().name((9, 9)) == "vs9/rs9"


def test_the_fallback_page_listens_for_no_service() -> None:
    page = CONFIG + b"\nlisten fallback-page\n    bind 127.0.0.1:9081\n"
    assert listing_of(page).binds == {**shop().binds, PAGE: (("127.0.0.1", 9081),)}


@pytest.mark.parametrize(
    "spoilt",
    [
        b"\xff\x00garbage",
        b"    server rs1 198.51.100.1:80",
        b"    server rsx 198.51.100.1:80 weight 1 # x",
        b"    server rs2 198.51.100.1 id 2 check weight",
        b"    bind ",
        b"    bind :x",
        b"listen vs",
    ],
)
def test_a_line_that_a_hand_has_spoilt_is_passed_over(spoilt: bytes) -> None:
    assert listing_of(CONFIG + spoilt + b"\n") == shop()
