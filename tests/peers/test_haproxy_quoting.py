# SPDX-License-Identifier: Apache-2.0
"""HAProxy itself reads a quoted word as it was meant: whatever signs it holds."""

from __future__ import annotations

import random

from services.render.quote import haq
from tests.peers.dataplane import VIP, Client, alone, data_plane

SIGNS = "abz09 '\"\\#${}[]()%;:,.<>=!?@&*+~|^`-_/äß漢字é"
EVERYDAY = [
    "a b",
    "it's",
    '"x"',
    "#no comment",
    "${HOME}",
    "$HOME",
    "\\n",
    "a\\",
    "'",
    "'''",
    "%[src]",
]


@alone
async def test_what_comes_back_is_what_was_quoted() -> None:
    chance = random.Random(1)
    texts = EVERYDAY + ["".join(chance.choices(SIGNS, k=chance.randint(1, 40))) for _ in range(200)]
    lines = [
        f"    http-request return status 200 content-type text/plain string {haq(text)} "
        f"if {{ path /{number} }}"
        for number, text in enumerate(texts)
    ]
    async with data_plane() as plane:
        plane.write(
            "\n".join(
                [
                    "global",
                    "    description ballast-0a",
                    f"    stats socket {plane.place.admin_socket} level admin",
                    "defaults",
                    "    timeout connect 1s",
                    "    timeout client 9s",
                    "    timeout server 9s",
                    "listen quoted",
                    f"    bind {VIP}:80",
                    "    mode http",
                    *lines,
                    "",
                ]
            ).encode()
        )
        await plane.driver.start()
        client = await Client.to()
        for number, text in enumerate(texts):
            assert (await client.ask(f"/{number}")).body.decode() == text
        client.close()
