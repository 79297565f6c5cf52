# SPDX-License-Identifier: Apache-2.0
"""What the doctor has proven, in words; the status says whether there is a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.common import Json
from services.cli.door import door
from services.cli.names import complete_vip, service_named
from services.cli.output import as_json, data, say

if TYPE_CHECKING:
    from services.api import DoctorReport, FindingView
    from services.client import Client

FOUND = 1
"""Exit status when there is a fault."""


def doctor(
    context: typer.Context,
    vip: Annotated[
        str | None,
        typer.Argument(
            help="Label of a virtual service; all of them.",
            metavar="VIP",
            autocompletion=complete_vip,
        ),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Prove by asking the wire that VIPs and real servers are set up right.

    Exit status 1 if there is a fault.
    """
    from services.api import Verdict

    async def asked(client: Client) -> DoctorReport:
        if vip is None:
            return await client.examine()
        return await client.examine(service_named((await client.document()).document, vip).id)

    report = door(context).ask(asked)
    if json:
        data(as_json(report))
    elif report.findings:
        data("\n\n".join(_told(finding) for finding in report.findings))
    else:
        say("There is no service yet.")
    if report.left_out:
        say(
            f"{report.left_out} real servers were not examined: there are too many at once. "
            "Name a VIP."
        )
    if any(finding.verdict is Verdict.FAULT for finding in report.findings):
        raise typer.Exit(FOUND)


def _told(finding: FindingView) -> str:
    from services.cli.output import visible

    lines = [f"{finding.verdict.upper()}  {finding.service}: {finding.what}"]
    if finding.do:
        lines.append(f"  {finding.do}")
    if finding.setup:
        lines.append(f"  `ballast rip setup {finding.setup} {finding.server}` has the commands.")
    return "\n".join(visible(line) for line in lines)
