# SPDX-License-Identifier: Apache-2.0
"""The file that remembers which card has which name.

    {"cards": [{"name": "eth0", "address": "52:54:00:12:34:56", "place": "/sys/devices/..."}]}

One that cannot be understood counts as none: the cards then get their names as at the first
start, which are the same ones unless a card was ever added.

Every start reads it and next to none writes it, so what writing needs is imported only then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from services.errors import Unable
from services.plan.names import Binding, is_card_name

_ADDRESS = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def load(path: Path) -> tuple[Binding, ...]:
    """What is remembered; nothing if there is no file. Raises `Unable` if it is none of ours."""
    try:
        tree = json.loads(path.read_bytes())
        return tuple(_binding(card) for card in tree["cards"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unable(
            f"{path} does not say which network card has which name: {error}.",
            do="Look which name each card has now, and whether the configuration fits.",
        ) from error


def keep(path: Path, bindings: Sequence[Binding]) -> None:
    """Remember it, durably. Raises `Unable`."""
    from services.drivers.files import write_durably
    from services.plan.state import File

    text = json.dumps({"cards": [asdict(binding) for binding in bindings]}, indent=1)
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise Unable(
            f"{path.parent} cannot be made: {error.strerror}.", do="Look at the data partition."
        ) from error
    write_durably(File(str(path), f"{text}\n".encode()))


def _binding(card: object) -> Binding:
    if not isinstance(card, dict):
        raise TypeError("a card is no object")
    name, address, place = card["name"], card["address"], card.get("place", "")
    if not is_card_name(name) or not _ADDRESS.fullmatch(address) or not isinstance(place, str):
        raise ValueError(f"{name!r} or its address makes no sense")
    return Binding(name, address, place)
