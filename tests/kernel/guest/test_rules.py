# SPDX-License-Identifier: Apache-2.0
"""Our nftables rules in a real kernel: taken, seen alike, replaced whole, nobody else's touched."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from services.command import run
from services.drivers.nft import CHANGED, KernelNft
from services.errors import CommandFailed
from services.model import Cluster, Document, Forwarding, Layer4Service
from services.model.layer4 import OWN_MARKS, Protocol
from services.render.nft import nft_wanted
from tests.netns import inside

VIPS = (ip_address("192.0.2.100"), ip_address("2001:db8::100"))
RULES = nft_wanted(
    Document(
        cluster=Cluster(
            layer4=(
                Layer4Service(
                    id=1,
                    label="ftp",
                    addresses=VIPS,
                    ports="21,50000-50100",
                    mark=OWN_MARKS,
                    forwarding=Forwarding.SNAT,
                ),
                Layer4Service(
                    id=2,
                    label="dns",
                    addresses=VIPS,
                    ports="53",
                    protocol=Protocol.TCP_UDP,
                    mark=2 * OWN_MARKS,
                ),
                Layer4Service(
                    id=3,
                    label="own",
                    addresses=VIPS,
                    protocol=Protocol.MARK,
                    mark=7,
                    forwarding=Forwarding.SNAT,
                ),
            )
        )
    )
)


async def nft(*words: str) -> str:
    return (await run(["nft", *words], timeout_s=10)).stdout


async def in_turn() -> None:
    driver = KernelNft()
    assert await driver.seen() == ""
    await nft("add", "table", "inet", "somebodys")
    await driver.replace(RULES)
    assert await driver.seen() == RULES
    marks = await nft("list", "chain", "inet", "ballast", "marks")
    assert marks.count("meta mark set") == 4
    assert (await nft("list", "table", "inet", "ballast")).count("masquerade") == 3

    await nft("flush", "chain", "inet", "ballast", "marks")
    assert await driver.seen() == CHANGED
    await driver.replace(RULES)
    assert await nft("list", "chain", "inet", "ballast", "marks") == marks

    another = KernelNft()
    assert await another.seen() == CHANGED, "what an agent before has loaded is loaded anew"
    with pytest.raises(CommandFailed):
        await driver.replace("table inet ballast { nonsense }")
    assert await nft("list", "chain", "inet", "ballast", "marks") == marks, "all or nothing"

    await driver.replace("")
    assert await driver.seen() == ""
    assert await nft("list", "tables") == "table inet somebodys\n"


def test_rules_are_taken_seen_and_replaced_whole() -> None:
    inside(in_turn)
