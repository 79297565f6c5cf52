# SPDX-License-Identifier: Apache-2.0
"""Set-up commands and the doctor, from a row and from the menu."""

from __future__ import annotations

from services.api import AccessRole, FindingView, Verdict
from services.model import Document
from tests.console.stage import stage
from tests.fakes.appliance import ScriptedAppliance


def layer4(**knobs: object) -> ScriptedAppliance:
    fake = ScriptedAppliance(
        running=Document.model_validate(
            {
                "cluster": {
                    "layer4": [
                        {
                            "id": 7,
                            "label": "web",
                            "addresses": ["192.168.2.100", "2001:db8:2::100"],
                            "ports": 80,
                            "servers": [
                                {"id": 71, "label": "web1", "address": "192.168.2.101"},
                                {"id": 72, "label": "web2", "address": "192.168.2.102"},
                            ],
                        }
                    ],
                    "layer7": [
                        {"id": 8, "label": "shop", "addresses": ["192.168.2.110"], "ports": 80}
                    ],
                }
            }
        )
    )
    for name, value in knobs.items():
        setattr(fake, name, value)
    return fake


FAULT = FindingView(
    verdict=Verdict.FAULT,
    service="web",
    server="web2",
    what="web2 (192.168.2.102) answers at its own address, but does not take packets for "
    "192.168.2.100: it does not have the VIP.",
    do="Set web2 up for 192.168.2.100.",
    key=(7, 72),
    setup="web",
)
GOOD = FindingView(verdict=Verdict.GOOD, service="web", what="Nobody else says so.", key=(7, 0))


async def test_the_commands_of_a_servers_row_and_of_another_system() -> None:
    async with stage(layer4()) as on:
        await on.see("web1")
        await on.press("down", "enter")
        await on.see("Set up: the commands for the real server")
        await on.press("s")
        await on.see("Set up > web/web1", "web/web1 (192.168.2.101) on Linux", "Apply")
        await on.press("pagedown", "pagedown")
        await on.see("ip address replace 192.168.2.100/32 dev lo")
        await on.press("end")
        await on.see("ip address del 2001:db8:2::100/128 dev lo")
        await on.press("s")
        await on.see("What runs on it?", "Windows Server 2012 and later")
        await on.press("k")
        await on.see("web/web1 (192.168.2.101) on Windows Server 2012 and later")
        await on.press("f1")
        await on.see("keep silent about it in ARP", "Choose what runs on the real server.")


async def test_a_services_row_has_all_its_servers_and_a_layer_7_service_none() -> None:
    async with stage(layer4()) as on:
        await on.see("web1")
        await on.press("enter", "s")
        await on.see("Set up > web", "web/web1 (192.168.2.101)")
        await on.press("slash")
        await on.type("web/web")
        await on.see("web/web2 (192.168.2.102)")
        await on.press("escape", "escape")
        await on.see("shop")
        await on.press("end", "enter", "s")
        await on.see("Servers of layer 7 services need none")


async def test_the_menu_lists_the_real_servers() -> None:
    async with stage(layer4()) as on:
        await on.see("web1")
        await on.press("8", "4")
        await on.see("web/web2", "DR  192.168.2.102")
        await on.press("down", "enter")
        await on.see("Set up > web/web2")


async def test_the_doctor_shows_faults_first_and_leads_to_the_commands() -> None:
    async with stage(layer4(findings=(FAULT, GOOD))) as on:
        await on.see("web1")
        await on.press("enter", "t")
        await on.see("Doctor > web", "FAULT", "it does not have the VIP.", "OK")
        await on.press("enter")
        await on.see("Set up > web/web2", "web/web2 (192.168.2.102) on Linux")
        await on.press("escape", "end", "enter")
        await on.see("No commands belong to this finding.")


async def test_a_viewer_is_not_offered_the_doctor() -> None:
    async with stage(layer4(role=AccessRole.VIEWER)) as on:
        await on.see("web1")
        await on.press("enter")
        await on.see("Set up: the commands for the real server")
        assert "doctor" not in on.text()
        await on.press("escape", "8", "3")
        await on.see("may look, but not do that")


async def test_an_examination_that_fails_is_a_sentence() -> None:
    async with stage(layer4(findings=(FAULT,))) as on:
        await on.see("web1")
        await on.press("8", "3")
        await on.see("it does not have the VIP.")
        on.fake.silent = True
        await on.press("r")
        await on.see("Nothing was examined.")
