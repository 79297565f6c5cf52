# SPDX-License-Identifier: Apache-2.0
"""A machine with a person in front of it: what stands on its screen is waited for and answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from image.glyphs import UNKNOWN, Font, Picture, read_text, read_vga_rom
from image.qemu import Machine
from image.tryout import console_font

ANSWER_S = 60
"""Until a screen shows what a key has led to."""

TRACES = Path(__file__).resolve().parents[2] / "build" / "image-tests"
"""Where the last picture of a test that failed lies."""


VGA_BIOS = Path("/usr/share/seabios/vgabios-stdvga.bin")
"""The firmware of QEMU's VGA, which holds the font of its text mode."""
TEXT_MODE_WIDTH = 720


@cache
def _console_font(root: Path) -> Font:
    return console_font(root)


@cache
def _vga_font() -> Font:
    return read_vga_rom(VGA_BIOS.read_bytes())


def in_text_mode(picture: Picture) -> bool:
    """Whether the VGA itself writes the letters: under a BIOS, until the kernel draws them."""
    return picture.width <= TEXT_MODE_WIDTH


class Watched:
    """`with` switches the machine on, and cuts its power at the end."""

    def __init__(self, machine: Machine, root: Path) -> None:
        """`root` is the root.tar of the product that the machine runs."""
        self.machine = machine
        self._font = _console_font(root)
        self._last = Picture(0, 0, b""), ""
        """The picture that was read last and what stands on it: most of the time nothing moves,
        and the machine that is watched runs on the same cores."""

    def __enter__(self) -> Self:
        self.machine.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not self.machine.has_ended():
            TRACES.mkdir(parents=True, exist_ok=True)
            self.machine.picture(TRACES / "last.png")
            error.add_note(f"{self.text()}\n(a picture of it: {TRACES / 'last.png'})")
        self.machine.cut_power()

    # ------------------------------------------------------------------------------------ eyes

    def text(self) -> str:
        """What stands on the screen, without empty lines."""
        picture = self.machine.look()
        if picture != self._last[0]:
            self._last = picture, self._read(picture)
        return self._last[1]

    def _read(self, picture: Picture) -> str:
        """In text mode the font is the VGA's own, until a console has put another there."""
        fonts = (self._font, _vga_font()) if in_text_mode(picture) else (self._font,)
        texts = [read_text(picture, font) for font in fonts]
        lines = min(texts, key=lambda text: text.count(UNKNOWN)).splitlines()
        return "\n".join(line for line in lines if line)

    def see(self, *words: str, within_s: float = ANSWER_S) -> str:
        """Wait until all of `words` are on the screen at once; returns the screen."""

        def lacking(screen: str) -> str:
            return ", ".join(word for word in words if word not in screen)

        return self._await(lacking, "not on the screen", within_s)

    def gone(self, word: str, *, within_s: float = ANSWER_S) -> None:
        """Wait until `word` is on the screen no more."""
        self._await(lambda screen: word if word in screen else "", "still on the screen", within_s)

    def _await(self, wrong: Callable[[str], str], how: str, within_s: float) -> str:
        """Look until nothing is `wrong` with the screen."""
        give_up_at = time.monotonic() + within_s
        while said := wrong(screen := self.text()):
            assert time.monotonic() < give_up_at, f"{how}: {said}"
            assert not self.machine.has_ended(), self.machine.log.read_text()[-500:]
            time.sleep(0.3)
        return screen

    # ----------------------------------------------------------------------------------- hands

    def press(self, *keys: str) -> None:
        """Press keys by QEMU's names."""
        self.machine.press(*keys)

    def type(self, text: str) -> None:
        """Type a text on a US keyboard."""
        self.machine.type(text)

    def choose(self, question: str, *keys: str) -> None:
        """Once `question` is on the screen press the keys."""
        self.see(question)
        self.press(*keys)

    def answer(self, question: str, *lines: str) -> None:
        """Once `question` is on the screen type the lines, each with Enter."""
        self.see(question)
        for line in lines:
            self.type(f"{line}\n")

    # ----------------------------------------------------------------------------------- power

    def switch_off(self) -> None:
        """Push the power button and wait until it is off."""
        self.machine.push_power_button()
        self.machine.await_end(within_s=120)
