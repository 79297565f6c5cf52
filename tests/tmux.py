# SPDX-License-Identifier: Apache-2.0
"""A program in a real terminal of 80 by 24, driven by keys and read as text.

tmux is the terminal: it answers what programs ask of one, and its idea of the screen is the
one most people look at. Each has a server of its own, ended with it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self


class Tmux:
    """One program on one screen; `with` starts and ends it."""

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self._argv = argv
        self._env = env
        self._size = ("-x", str(columns), "-y", str(rows))
        self._folder = Path(tempfile.mkdtemp(prefix="ballast-tmux-"))
        self._left = self._folder / "left"

    def __enter__(self) -> Self:
        variables = " ".join(shlex.quote(f"{name}={value}") for name, value in self._env.items())
        program = f"env {variables} {shlex.join(self._argv)}; echo $? > {self._left}; sleep 60"
        self._tmux("-f", os.devnull, "new-session", "-d", *self._size, program)
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def screen(self) -> str:
        """What stands on it."""
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: `Down`, `F9`, `C-s`, `d`."""
        for key in keys:
            self._tmux("send-keys", key)

    def type(self, text: str) -> None:
        """Type a text."""
        self._tmux("send-keys", "-l", text)

    def await_text(self, *texts: str, within_s: float = 20) -> str:
        """Wait until all of `texts` stand on the screen; fails with the screen."""
        return self._awaited(lambda screen: all(text in screen for text in texts), texts, within_s)

    def await_gone(self, text: str, *, within_s: float = 20) -> str:
        """Wait until `text` has left the screen; fails with the screen."""
        return self._awaited(lambda screen: text not in screen, (f"no {text}",), within_s)

    def await_row(self, name: str, *texts: str, within_s: float = 30) -> str:
        """Wait until a line with `name` also holds all of `texts`; fails with the screen."""

        def holds(screen: str) -> bool:
            return any(
                name in line and all(text in line for text in texts) for line in screen.splitlines()
            )

        return self._awaited(holds, (name, *texts), within_s)

    def await_end(self, *, within_s: float = 20) -> int:
        """Wait until the program has ended; returns its exit status."""
        give_up_at = time.monotonic() + within_s
        while not (self._left.exists() and self._left.read_text().strip()):
            assert time.monotonic() < give_up_at, f"it goes on:\n{self.screen}"
            time.sleep(0.05)
        return int(self._left.read_text())

    def _awaited(self, good: Callable[[str], bool], wanted: Sequence[str], within_s: float) -> str:
        give_up_at = time.monotonic() + within_s
        while not good(screen := self.screen):
            assert time.monotonic() < give_up_at, f"waited for {wanted} in\n{screen}"
            time.sleep(0.1)
        return screen

    def _tmux(self, *words: str, check: bool = True) -> str:
        argv = ["tmux", "-S", str(self._folder / "socket"), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=check, timeout=20).stdout
