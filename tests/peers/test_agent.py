# SPDX-License-Identifier: Apache-2.0
"""The agent keeps a real data plane as its document says, whoever meddles and whatever dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.api import ApplyRequest, DraftApply, Edit, KnobRequest, Status
from services.client import Client
from services.draft import objects
from services.errors import ApplianceError, ConfigInvalid, EditConflict, Refused
from services.model import Document, ServerState
from tests.lab import Lab
from tests.peers.appliance import (
    VIP,
    addresses,
    answers,
    asked,
    changed,
    config_file,
    healths,
    journal,
    masters,
    running,
    status,
)
from tests.poll import eventually

ALL = {"web1", "web2", "web3"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=3, spares=1) as lab:
        lab.start_agent()
        eventually(lambda: healths(lab)["web"] == "UP")
        yield lab


@pytest.fixture(autouse=True)
def _as_before(lab: Lab) -> Iterator[None]:
    """Each test ends with the document it found."""
    before = running(lab).document
    yield
    if not lab.agent.job.running:
        lab.agent.start()
    if running(lab).document != before:
        asked(lab, lambda client: client.apply(ApplyRequest(document=before)))
    eventually(lambda: healths(lab)["web"] == "UP")


def apply(lab: Lab, document: Document, **options: object) -> int:
    request = ApplyRequest(document=document, **options)  # type: ignore[arg-type]
    return asked(lab, lambda client: client.apply(request)).revision


def knob(lab: Lab, server: str, **wish: object) -> None:
    service = running(lab).document.cluster.layer7[0]
    [number] = [found.id for found in service.servers if found.label == server]
    request = KnobRequest(servers=((service.id, number),), **wish)  # type: ignore[arg-type]
    asked(lab, lambda client: client.set_servers(request))


# ------------------------------------------------------------------------------------ traffic


def test_clients_reach_every_real_server_by_the_vip(lab: Lab) -> None:
    assert answers(lab) == ALL


def test_a_second_service_carries_traffic_once_applied(lab: Lab) -> None:
    document = running(lab).document
    tree = document.model_dump(mode="json")
    server = {"label": "web4", "address": "192.168.2.104", "port": 80}
    tree["cluster"]["layer7"].append(
        {
            "label": "shop",
            "addresses": ["192.168.2.110", "fd00:2::110"],
            "ports": "8080",
            "servers": [server],
        }
    )
    apply(lab, Document.model_validate(tree))
    eventually(lambda: answers(lab, "192.168.2.110", count=1, port=8080) == {"web4"})
    assert answers(lab, "[fd00:2::110]", count=1, port=8080) == {"web4"}
    assert {"192.168.2.110/32", "fd00:2::110/128"} <= addresses(lab)
    apply(lab, document)
    assert not {"192.168.2.110/32", "fd00:2::110/128"} & addresses(lab)


def test_a_drained_server_gets_no_new_client_and_a_halted_one_none_at_all(lab: Lab) -> None:
    worker = worker_pid(lab)
    knob(lab, "web1", state=ServerState.DRAIN)
    knob(lab, "web2", state=ServerState.HALT)
    assert answers(lab) == {"web3"}
    assert healths(lab) == {
        "web": "UP",
        "web/web1": "DRAIN",
        "web/web2": "HALT",
        "web/web3": "UP",
    }
    assert worker_pid(lab) == worker
    knob(lab, "web1", state=ServerState.ONLINE)
    knob(lab, "web2", state=ServerState.ONLINE)
    eventually(lambda: answers(lab) == ALL)


def test_a_drain_outlives_a_reload_and_a_restart(lab: Lab) -> None:
    knob(lab, "web1", state=ServerState.DRAIN)
    apply(lab, changed(running(lab).document, max_connections=5000))
    assert answers(lab) == {"web2", "web3"}
    lab.appliance.run(["kill", "-9", *map(str, masters(lab))], timeout_s=5)
    eventually(lambda: answers(lab) == {"web2", "web3"})


def test_a_dead_server_turns_red_and_says_why_and_comes_back(lab: Lab) -> None:
    lab.server("web2").stop()
    found = eventually(lambda: status_of(lab, "web2", "DOWN"))
    assert "refused" in found
    assert healths(lab)["web"] == "WARN"
    eventually(lambda: answers(lab) == {"web1", "web3"})
    lab.server("web2").start()
    eventually(lambda: healths(lab)["web/web2"] == "UP")


def status_of(lab: Lab, server: str, health: str) -> str:
    """The reason, once the server has that health."""
    found = [each for each in status(lab).services[0].servers if each.label == server]
    return found[0].reason if found[0].health == health else ""


_INFO = (
    "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
    "s.sendall(b'show info\\n'); print(s.makefile().read())"
)


def worker_pid(lab: Lab) -> int:
    door = str(lab.folder / "run/haproxy/admin.sock")
    said = lab.appliance.run(["python3", "-c", _INFO, door], timeout_s=5).stdout
    return next(int(line[5:]) for line in said.splitlines() if line.startswith("Pid: "))


# -------------------------------------------------------------------------------------- drift


def test_a_killed_haproxy_is_started_again_and_the_journal_says_so(lab: Lab) -> None:
    lab.appliance.run(["kill", "-9", *map(str, masters(lab))], timeout_s=5)
    eventually(lambda: answers(lab, count=3) <= ALL and len(masters(lab)) == 1)
    eventually(lambda: "agent: put right: start HAProxy" in journal(lab))


def test_a_deleted_floating_ip_comes_back_and_the_journal_says_so(lab: Lab) -> None:
    lab.appliance.run(["ip", "address", "del", f"{VIP}/32", "dev", "eth0"], timeout_s=5)
    eventually(lambda: f"{VIP}/32" in addresses(lab))
    eventually(lambda: f"agent: put right: bring floating IP {VIP}/32 up on eth0" in journal(lab))


def test_a_file_edited_by_hand_is_put_right_and_the_journal_says_so(lab: Lab) -> None:
    good = config_file(lab).read_bytes()
    config_file(lab).write_bytes(good + b"# by hand\n")
    eventually(lambda: config_file(lab).read_bytes() == good)
    eventually(lambda: f"agent: put right: write {config_file(lab)}" in journal(lab))


def test_a_hand_edit_that_was_reloaded_is_put_right(lab: Lab) -> None:
    good = config_file(lab).read_bytes()
    config_file(lab).write_bytes(good.replace(b"timeout client 42s", b"timeout client 1s"))
    lab.appliance.run(["kill", "-USR2", *map(str, masters(lab))], timeout_s=5)
    eventually(lambda: config_file(lab).read_bytes() == good)
    eventually(lambda: answers(lab, count=3) <= ALL)


def test_an_address_added_by_hand_stays_and_is_shown_as_not_saved(lab: Lab) -> None:
    lab.appliance.run(["ip", "address", "add", "192.168.2.77/24", "dev", "eth0"], timeout_s=5)
    try:
        eventually(lambda: "192.168.2.77/24" in not_saved(status(lab)))
        apply(lab, changed(running(lab).document, max_connections=6000))
        assert "192.168.2.77/24" in addresses(lab)
    finally:
        lab.appliance.run(["ip", "address", "del", "192.168.2.77/24", "dev", "eth0"], timeout_s=5)


def not_saved(found: Status) -> set[str]:
    return {address for card in found.node.interfaces for address in card.not_saved}


def test_the_data_plane_outlives_the_agent_and_the_next_agent_adopts_it(lab: Lab) -> None:
    [before] = masters(lab)
    for _ in range(3):
        lab.agent.kill()
        assert answers(lab) == ALL
        lab.agent.start()
        eventually(lambda: healths(lab)["web"] == "UP")
        assert masters(lab) == [before]


# -------------------------------------------------------------------------------- transaction


def test_a_document_with_problems_changes_nothing_and_lists_them_all(lab: Lab) -> None:
    before = running(lab)
    bad = changed(before.document, addresses=["192.168.2.21"], ports="22", persistence="none")
    with pytest.raises(ConfigInvalid) as caught:
        apply(lab, bad)
    assert {problem.where for problem in caught.value.problems} == {
        "cluster.layer7[0].addresses[0]",
        "cluster.layer7[0].ports",
    }
    assert running(lab) == before


def test_the_plan_tells_what_this_kernel_lacks_before_anything_is_applied(lab: Lab) -> None:
    tree = running(lab).document.model_dump(mode="json")
    tree["cluster"]["layer4"] = [{"label": "shop", "addresses": ["192.168.2.119"], "ports": "8119"}]
    request = ApplyRequest(document=Document.model_validate(tree))
    plan = asked(lab, lambda client: client.plan(request))
    words = " ".join(problem.what for problem in plan.lacking)
    assert ("no IPVS" in words) is not Path("/proc/net/ip_vs").exists()


def test_a_document_made_from_another_revision_is_refused(lab: Lab) -> None:
    before = running(lab)
    apply(lab, changed(before.document, max_connections=7000))
    with pytest.raises(EditConflict, match="was made from"):
        apply(lab, changed(before.document, max_connections=8000), base=before.info.number)


def test_a_taken_port_undoes_the_change_and_says_why(lab: Lab) -> None:
    before = running(lab)
    listening = f"import socket,time; s=socket.create_server(('{VIP}', 7777)); time.sleep(30)"
    process = lab.appliance.spawn(["python3", "-c", listening], log=lab.folder / "holder.log")
    try:
        eventually(lambda: f"{VIP}:7777" in sockets(lab))
        with pytest.raises(ApplianceError, match="7777"):
            apply(lab, changed(before.document, ports="80,7777"))
    finally:
        process.kill()
    assert running(lab) == before
    assert answers(lab) == ALL
    assert len(masters(lab)) == 1


def sockets(lab: Lab) -> str:
    return lab.appliance.run(["ss", "-Hltn"], timeout_s=5).stdout


def test_a_missing_haproxy_undoes_the_change_and_the_old_one_runs_on(lab: Lab) -> None:
    before = running(lab)
    lab.appliance.run(["mount", "--bind", "/dev/null", "/usr/sbin/haproxy"], timeout_s=5)
    try:
        with pytest.raises(ApplianceError, match="haproxy"):
            apply(lab, changed(before.document, max_connections=5000))
        assert answers(lab) == ALL
    finally:
        lab.appliance.run(["umount", "/usr/sbin/haproxy"], timeout_s=5)
    assert running(lab) == before


def test_a_read_only_configuration_folder_undoes_the_change(lab: Lab) -> None:
    before = running(lab)
    folder = str(lab.folder / "state" / "revisions")
    lab.appliance.run(["mount", "--bind", folder, folder], timeout_s=5)
    try:
        lab.appliance.run(["mount", "-o", "remount,bind,ro", folder], timeout_s=5)
        with pytest.raises(ApplianceError, match="read-only"):
            apply(lab, changed(before.document, ports="80,8081"))
        assert answers(lab) == ALL
        assert f"{VIP}:8081" not in sockets(lab)
    finally:
        lab.appliance.run(["umount", folder], timeout_s=5)
    assert running(lab) == before


def test_a_full_disk_undoes_the_change(lab: Lab) -> None:
    before = running(lab)
    folder = str(lab.folder / "state" / "revisions")
    lab.appliance.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", folder], timeout_s=5)
    try:
        lab.appliance.run(
            ["dd", "if=/dev/zero", f"of={folder}/fill", "bs=4k"], timeout_s=5, accept=None
        )
        with pytest.raises(ApplianceError, match="space"):
            apply(lab, changed(before.document, ports="80,8081"))
        assert answers(lab) == ALL
    finally:
        lab.appliance.run(["umount", folder], timeout_s=5)
    assert running(lab) == before


def test_a_halt_that_cannot_be_kept_is_not_carried_out(lab: Lab) -> None:
    before = running(lab)
    folder = str(lab.folder / "state" / "revisions")
    lab.appliance.run(["mount", "--bind", folder, folder], timeout_s=5)
    told = journal(lab)
    try:
        lab.appliance.run(["mount", "-o", "remount,bind,ro", folder], timeout_s=5)
        with pytest.raises(ApplianceError, match="read-only"):
            knob(lab, "web1", state=ServerState.HALT)
        assert answers(lab) == ALL
    finally:
        lab.appliance.run(["umount", folder], timeout_s=5)
    assert running(lab) == before
    turned = "put right: set web/web1"
    assert journal(lab).count(turned) == told.count(turned)


# ------------------------------------------------------------------------------------- window


def test_an_unconfirmed_change_rolls_back_by_itself(lab: Lab) -> None:
    before = running(lab)
    apply(lab, changed(before.document, ports="80,8082"), confirm_s=2)
    assert answers(lab, port=8082, count=3) <= ALL
    eventually(lambda: running(lab) == before)
    eventually(lambda: f"{VIP}:8082" not in sockets(lab))


def test_an_unconfirmed_change_rolls_back_also_when_the_agent_was_killed(lab: Lab) -> None:
    before = running(lab)
    apply(lab, changed(before.document, ports="80,8083"), confirm_s=10)
    lab.agent.kill()
    lab.agent.start()
    assert status(lab).node.confirm is not None
    eventually(lambda: f"{VIP}:8083" not in sockets(lab), within_s=25)
    assert running(lab) == before


def test_a_confirmed_change_stays(lab: Lab) -> None:
    before = running(lab)
    apply(lab, changed(before.document, max_connections=9000), confirm_s=30)
    with pytest.raises(Refused, match="waits to be confirmed"):
        apply(lab, before.document)
    asked(lab, lambda client: client.confirm())
    after = running(lab)
    assert after.info.number == before.info.number + 1
    assert after.document.cluster.layer7[0].max_connections == 9000


def test_rolling_back_applies_the_revision_before(lab: Lab) -> None:
    before = running(lab)
    apply(lab, changed(before.document, max_connections=4321))
    asked(lab, lambda client: client.rollback())
    assert running(lab).document == before.document


# ------------------------------------------------------------------------------------- drafts


def test_the_second_of_two_consoles_is_told_and_loses_nothing(lab: Lab) -> None:
    document = running(lab).document
    service = document.cluster.layer7[0]
    key = f"layer7/{service.id}/{service.servers[0].id}"
    before = objects(document)[key]

    async def weigh(client: Client, weight: int) -> None:
        await client.edit(Edit(key=key, before=before, after={**before, "weight": weight}))

    asked(lab, lambda client: weigh(client, 10), terminal="one")
    asked(lab, lambda client: weigh(client, 20), terminal="two")
    asked(lab, lambda client: client.apply_draft(DraftApply()), terminal="one")
    with pytest.raises(EditConflict, match="weight"):
        asked(lab, lambda client: client.apply_draft(DraftApply()), terminal="two")
    kept = asked(lab, lambda client: client.draft(), terminal="two")
    assert [edit.after and edit.after["weight"] for edit in kept.edits] == [20]
    # keep mine: the same wish, made from what runs now
    now = objects(running(lab).document)[key]
    mine = Edit(key=key, before=now, after={**now, "weight": 20})
    asked(lab, lambda client: client.edit(mine), terminal="two")
    asked(lab, lambda client: client.apply_draft(DraftApply()), terminal="two")
    assert running(lab).document.cluster.layer7[0].servers[0].weight == 20
    assert asked(lab, lambda client: client.draft(), terminal="two").edits == ()


def test_the_command_line_tells_the_status_as_json(lab: Lab) -> None:
    said = lab.appliance.run(
        ["python3", "-m", "services.cli", "--socket", str(lab.socket), "status", "--json"],
        timeout_s=20,
    ).stdout
    found = json.loads(said)
    assert {server["label"] for server in found["services"][0]["servers"]} == ALL
    assert found["services"][0]["health"] == "UP"
