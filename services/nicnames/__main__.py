# SPDX-License-Identifier: Apache-2.0
"""`ballast-names`, started by ballast-names.service: give the network cards their names.

Wait for the drivers, read, decide, remember, rename, switch on. Remembered before it is done:
after a power cut in between the next start does the same. And done even if it cannot be
remembered, because a unit whose disk is full must be reachable.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from services.drivers import cards
from services.errors import Unable
from services.nicnames.book import keep, load
from services.plan.names import Nic, name_cards

log = logging.getLogger("ballast.names")

BOOK = Path("/data/ballast/nics.json")
NAMED = Path("/run/ballast/named")
"""Has a file for each card that has its name, called as the kernel's number of it: udev, which may
hear of the card only afterwards, need not have it named again."""


def give_names(
    book: Path, read: Callable[[], Sequence[Nic]] = cards.read, *, named: Path | None = None
) -> list[Unable]:
    """Name all cards and switch them on; returns what went wrong and did not stop it.

    Word of those that were named is left in `named`. A card that appears meanwhile is not among
    them, so that udev has it named too. Raises `Unable` if the kernel does not take the names.
    """
    troubles = []
    try:
        known = load(book)
    except Unable as error:
        troubles.append(error)
        known = ()
    seen = read()
    naming = name_cards(known, seen)
    if naming.bindings != known or troubles:
        try:
            keep(book, naming.bindings)
        except Unable as error:
            troubles.append(error)
    for each in naming.renames:
        log.info("%s is %s from now on", each.old, each.new)
    cards.rename(naming.renames)
    if named is not None:
        note(seen, named)
    cards.switch_on([nic for nic in read() if not nic.not_a_card])
    return troubles


def note(nics: Sequence[Nic], folder: Path) -> None:
    """Leave word for udev, see `NAMED`."""
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
        for nic in nics:
            (folder / str(nic.index)).touch()
    except OSError as error:
        log.warning("%s cannot be written: %s", folder, error.strerror)


def main() -> None:
    """Entry point; exits 0 when all is as it should be, 3 otherwise."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    parser = argparse.ArgumentParser(prog="ballast-names", description="Name the network cards.")
    parser.add_argument("--book", type=Path, default=BOOK)
    parser.add_argument("--named", type=Path, default=NAMED, metavar="FOLDER")
    given = parser.parse_args()
    cards.await_drivers()
    try:
        troubles = give_names(given.book, named=given.named)
    except Unable as error:
        troubles = [error]
    for trouble in troubles:
        log.error("%s", trouble)
    sys.exit(3 if troubles else 0)


if __name__ == "__main__":
    main()
