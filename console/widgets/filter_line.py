# SPDX-License-Identifier: Apache-2.0
"""The line below a list that says what is to be shown of it; out of sight until it is asked for."""

from __future__ import annotations

from console.widgets.field import TextField


class FilterLine(TextField):
    """Words to filter by; the screen decides what they mean."""

    def __init__(self) -> None:
        super().__init__("Filter", name="filter", label_width=8)
        self.add_class("hidden")

    def ask(self) -> None:
        """Appear, and take the keys."""
        self.remove_class("hidden")
        self.screen.set_focus(self)

    def put_away(self) -> bool:
        """Empty it and disappear; False: it was out of sight already."""
        if self.has_class("hidden"):
            return False
        self.set_text("")
        self.add_class("hidden")
        return True
