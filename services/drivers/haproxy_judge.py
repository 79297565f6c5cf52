# SPDX-License-Identifier: Apache-2.0
"""Let HAProxy itself judge a file before it is used: nobody knows its language better."""

from __future__ import annotations

from services.command import run
from services.drivers.haproxy_folder import HaproxyFolder
from services.drivers.haproxy_log import HaproxyLog

INSTALL = "Install HAProxy 2.6 or newer (`apt install haproxy`)."

JUDGE_S = 30.0


async def complaint(folder: HaproxyFolder, log: HaproxyLog, config: bytes) -> str:
    """What HAProxy has against a file, in one line; empty if nothing. Raises `Unable`."""
    folder.prepare()
    candidate = folder.candidate(config)
    try:
        output = await run(
            ["haproxy", "-c", "-f", str(candidate)],
            timeout_s=JUDGE_S,
            accept=(0, 1, 2),
            do=INSTALL,
        )
    finally:
        candidate.unlink(missing_ok=True)
    # 2: a file without any service is good, and HAProxy says only that it would not start
    if output.status == 0 or "no error" in output.stdout:
        return ""
    return log.told(output.stderr + output.stdout)
