# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.bench.guest NAME ...`: measure, and tell each by the serial port, a line each.

Each has a network of its own, in a child with which everything it started ends.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from importlib import import_module
from typing import Any

from tests.bench.guest.traffic import MACHINE_PROC
from tests.kernel.telling import PORT
from tests.netns import inside, mount

MS_BIND = 0x1000
AT_MOST_S = 400.0
"""For one of them."""


def told(name: str) -> dict[str, Any]:
    """The samples of one, or why there are none."""
    begun = time.monotonic()
    try:
        measure = import_module(f"tests.bench.guest.{name}").measure
        line: dict[str, Any] = {"samples": inside(measure, timeout_s=AT_MOST_S)}
    except Exception as error:  # noqa: BLE001  the others are still to be measured
        traceback.print_exc()
        line = {"failed": f"{type(error).__name__}: {error}"}
    return {"of": name, "spent_s": time.monotonic() - begun, **line}


def main() -> None:
    """Entry point."""
    MACHINE_PROC.mkdir()
    mount(b"/proc", bytes(MACHINE_PROC), None, MS_BIND)
    with PORT.open("w") as port:
        for name in sys.argv[1:]:
            print(json.dumps(told(name)), file=port, flush=True)


if __name__ == "__main__":
    main()
