# SPDX-License-Identifier: Apache-2.0
"""Power: says plainly that a machine which is not the appliance's own is left alone."""

from __future__ import annotations

from console.screens.dialog import Ask


def power() -> Ask:
    """The dialog."""
    return Ask(
        "Power",
        [
            "Restart and shut down come with the appliance image.",
            "This system is not the appliance's own machine, so the console leaves it running.",
        ],
        options=[("ok", "Back")],
        default="ok",
    )
