# SPDX-License-Identifier: Apache-2.0
"""The kernel says who asks, their groups say what they may: proved by real accounts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from services.api import StoredKind
from tests.lab import Lab
from tests.peers.appliance import asked, running

SCRIPT = "#!/bin/sh\nexit 0"

ACCOUNTS = {
    "adam": (4001, "ballast-admin"),
    "olga": (4002, "ballast-operator"),
    "vera": (4003, "ballast-viewer"),
    "sam": (4004, "ballast-setup"),
    "nora": (4005, None),
}
SOCKET_GROUP = 4100
GROUPS = {
    "ballast-admin": 4101,
    "ballast-operator": 4102,
    "ballast-viewer": 4103,
    "ballast-setup": 4104,
}

# Changes its identity once everything is imported: the checkout may be nobody else's to read.
ASK = """
import asyncio, json, os, sys
from pathlib import Path
from services.api import ApplyRequest, KnobRequest, PowerRequest, StoredKind
from services.client import Client
from services.errors import ApplianceError

socket, service, server, uid, group, word = sys.argv[1:]

async def main():
    await Client(Path(socket)).status()
    os.setgroups([int(group)])
    os.setresgid(int(uid), int(uid), int(uid))
    os.setresuid(int(uid), int(uid), int(uid))
    client = Client(Path(socket))

    async def change(half, confirm_s=None, **fields):
        document = (await client.document()).document
        fresh = getattr(document, half).model_copy(update=fields)
        wish = document.model_copy(update={half: fresh})
        return await client.apply(ApplyRequest(document=wish, confirm_s=confirm_s))

    async def cluster():
        [web] = (await client.document()).document.cluster.layer7
        return await change("cluster", layer7=(web.model_copy(update={"comment": word}),))

    async def own_window():
        await change("local", confirm_s=60, domain=f"{word}.example")
        await client.rollback()

    wishes = {
        "look": client.status,
        "report": client.layer4,
        "switch": lambda: client.set_servers(
            KnobRequest(servers=((int(service), int(server)),), weight=99)
        ),
        "local": lambda: change("local", domain=word),
        "cluster": cluster,
        "own window": own_window,
        "rollback": client.rollback,
        "probe": lambda: client.probe_address("eth0", "192.168.2.77"),
        "doctor": client.examine,
        "store": lambda: client.store(StoredKind.SECRET, f"of-{word}", "Kn0bel"),
        "list": lambda: client.stored(StoredKind.SECRET),
        "read": lambda: client.script("look"),
        "forget": lambda: client.forget(StoredKind.SECRET, f"of-{word}"),
        "power": lambda: client.power(PowerRequest(action="restart", why=word)),
    }
    told = {}
    for name, wish in wishes.items():
        try:
            await wish()
            told[name] = "done"
        except ApplianceError as error:
            told[name] = type(error).__name__
    print(json.dumps(told))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=1, spares=0) as lab:
        passwd, group = lab.folder / "passwd", lab.folder / "group"
        passwd.write_text(
            "".join(
                f"{name}:x:{uid}:{uid}::/:/bin/sh\n"
                for name, (uid, _) in {
                    **ACCOUNTS,
                    "root": (0, None),
                    "haproxy": (4200, None),
                }.items()
            )
        )
        members = {role: [n for n, (_, of) in ACCOUNTS.items() if of == role] for role in GROUPS}
        group.write_text(
            "root:x:0:\nhaproxy:x:4200:\n"
            f"ballast:x:{SOCKET_GROUP}:{','.join(ACCOUNTS)}\n"
            + "".join(f"{role}:x:{gid}:{','.join(members[role])}\n" for role, gid in GROUPS.items())
        )
        for path in (passwd, group):
            lab.appliance.run(["mount", "--bind", str(path), f"/etc/{path.name}"], timeout_s=5)
        lab.folder.chmod(0o755)
        lab.start_agent()
        asked(lab, lambda client: client.store(StoredKind.SCRIPT, "look", SCRIPT))
        yield lab


def told(lab: Lab, user: str) -> dict[str, str]:
    """What became of each wish of an account."""
    uid, _ = ACCOUNTS[user]
    service = running(lab).document.cluster.layer7[0]
    which = (str(service.id), str(service.servers[0].id))
    # the socket's group and no other: the agent must look the account's groups up itself
    argv = [sys.executable, "-c", ASK, str(lab.socket), *which, str(uid), str(SOCKET_GROUP), user]
    said = lab.appliance.run(argv, timeout_s=30).stdout
    found: dict[str, str] = json.loads(said)
    return found


NO = "Forbidden"
OUTSIDER = ("setpriv", "--reuid=4009", "--regid=4009", "--clear-groups")


@pytest.mark.parametrize(
    ("user", "answers"),
    [
        # the lab's machine is not the agent's to switch, so an administrator gets this far
        ("adam", (*["done"] * 13, "Unable")),
        ("olga", ("done", "done", "done", NO, NO, NO, NO, NO, "done", *[NO] * 5)),
        ("vera", ("done", "done", *[NO] * 12)),
        # may end a countdown that is its own, and go back no further
        ("sam", ("done", NO, NO, "done", "Refused", "done", NO, "done", *[NO] * 6)),
        ("nora", (NO,) * 14),
    ],
)
def test_an_account_may_do_what_its_group_says_and_no_more(
    lab: Lab, user: str, answers: tuple[str, ...]
) -> None:
    looking, changing = ("look", "report"), ("switch", "local", "cluster", "own window", "rollback")
    wishes = (*looking, *changing, "probe", "doctor", "store", "list", "read", "forget", "power")
    assert told(lab, user) == dict(zip(wishes, answers, strict=True))


GET = """
import http.client, socket, sys
asking = http.client.HTTPConnection("ballast")
asking.sock = socket.socket(socket.AF_UNIX)
asking.sock.connect(sys.argv[1])
asking.request("GET", sys.argv[2])
print(asking.getresponse().read().decode())
"""
"""The path as it is: the clients we have would tidy it."""


def test_a_script_comes_back_as_it_was_stored_and_a_secret_not_at_all(lab: Lab) -> None:
    assert asked(lab, lambda client: client.script("look")).text == SCRIPT
    asked(lab, lambda client: client.store(StoredKind.SECRET, "mail", "Kn0bel"))
    for way in ("/stored/secret/mail", "/stored/script/..%2Fsecrets%2Fchecks%2Fmail"):
        said = lab.appliance.run(["python3", "-c", GET, str(lab.socket), way], timeout_s=10).stdout
        assert "what" in json.loads(said)
        assert "Kn0bel" not in said


def test_an_account_outside_the_sockets_group_does_not_even_reach_it(lab: Lab) -> None:
    probe = "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    said = lab.appliance.run(
        [*OUTSIDER, "python3", "-c", probe, str(lab.socket)],
        timeout_s=10,
        accept=None,
    )
    assert "PermissionError" in said.stderr
