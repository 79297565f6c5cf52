# SPDX-License-Identifier: Apache-2.0
"""About: version, licence, and the daemons as they run."""

from __future__ import annotations

from console import theme
from console.picture import Picture
from console.screens.text import TextLine, TextScreen
from console.wording import duration


class AboutScreen(TextScreen):
    """What this is."""

    ABOUT = "Version, licence and daemons."

    def __init__(self) -> None:
        super().__init__("Support > About")

    def show_body(self, picture: Picture) -> None:
        status = picture.status
        lines: list[TextLine] = [("Ballast, a load-balancing appliance", theme.STRONG)]
        if status is not None:
            lines += [
                (f"Version {status.node.version}, revision {status.node.revision}", theme.PLAIN)
            ]
        lines += [
            ("Licensed under the Apache License, Version 2.0.", theme.PLAIN),
            ("", theme.PLAIN),
            ("Daemons", theme.HEADING),
        ]
        for unit in status.node.units if status else ():
            state = f"running for {duration(unit.since_s)}" if unit.running else "not running"
            text = f"{unit.name:<16} {state}  {unit.detail}"
            lines.append((text, theme.PLAIN if unit.running else theme.BAD))
        for notice in status.node.notices if status else ():
            lines.append((f"! {notice}", theme.WARNING))
        self.set_lines(lines)
