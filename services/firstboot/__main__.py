# SPDX-License-Identifier: Apache-2.0
"""`ballast-firstboot`: make what is missing; started by ballast-firstboot.service."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from services.errors import ApplianceError
from services.firstboot.making import make

log = logging.getLogger("ballast.firstboot")


def main() -> None:
    """Entry point; exits 0 when everything is there, 3 otherwise."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    parser = argparse.ArgumentParser(prog="ballast-firstboot", description="Make this unit's keys.")
    parser.add_argument("--state", type=Path, default=Path("/data/ballast"))
    parser.add_argument("--etc", type=Path, default=Path("/etc"))
    given = parser.parse_args()
    try:
        asyncio.run(make(given.state, given.etc))
    except ApplianceError as error:
        log.error("%s", error)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
