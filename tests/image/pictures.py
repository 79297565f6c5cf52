# SPDX-License-Identifier: Apache-2.0
"""The agreed look of a real VGA screen: PNGs for people to look at, compared cell by cell.

    pytest tests/image --renew-pictures

writes them anew. What is compared is what stands in the pictures: the text of both, without what
differs from one look to the next, and then the pixels of every line that has the same text, so
that a colour or a glyph which nobody agreed to is seen too.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from PIL import Image

from image.glyphs import Font, Picture, read_text
from image.qemu import Machine

PICTURES = Path(__file__).parent / "pictures"
SETTLE_S = 20.0
REST_S, RESTLESS_S = 3.0, 9.0
"""Longer than the console's own refresh; a login prompt's cursor blinks for ever."""

VOLATILE = (
    re.compile(r"CPU +\[[#.]+\] +\d+%"),
    re.compile(r"Mem(?:ory)? +\[[#.]+\] +\d+%"),
    re.compile(r"\bUp +\d+[smhd]"),
    re.compile(r"\b\d\d:\d\d:\d\d\b"),
    re.compile(r"\b\d+ (?:s|seconds)\b"),
    re.compile(r"\b(?:In|Out|Conns) +[\d.]+[kMG]?\b"),
    re.compile(r"Linux [\w.+-]+"),
)


def steady(text: str) -> list[str]:
    """Lines without what differs from one look to the next, nor the room that it takes."""
    for pattern in VOLATILE:
        text = pattern.sub("~", text)
    return [re.sub(r"~ +", "~ ", line).rstrip() for line in text.split("\n")]


def compare(name: str, machine: Machine, font: Font, *, renew: bool) -> None:
    """Wait until the screen looks as agreed; what differs is said when it does not."""
    path = PICTURES / f"{name}.png"
    if renew:
        PICTURES.mkdir(exist_ok=True)
        _await_rest(machine, font)
        machine.picture(path)
        return
    assert path.exists(), f"there is no picture of {name} yet: run with --renew-pictures"
    agreed = _opened(path)
    give_up_at = time.monotonic() + SETTLE_S
    while difference := differences(agreed, machine.look(), font):
        assert time.monotonic() < give_up_at, f"{name} looks different:\n{difference}"
        time.sleep(0.5)


def _await_rest(machine: Machine, font: Font) -> None:
    """Wait until nothing has changed for a while: keys may still be on their way."""
    seen, since = steady(read_text(machine.look(), font)), time.monotonic()
    give_up_at = since + RESTLESS_S
    while since + REST_S > time.monotonic() < give_up_at:
        time.sleep(0.2)
        if (now := steady(read_text(machine.look(), font))) != seen:
            seen, since = now, time.monotonic()


def differences(agreed: Picture, seen: Picture, font: Font) -> str:
    """What differs, in lines of text; empty if the screens are the same."""
    if (agreed.width, agreed.height) != (seen.width, seen.height):
        return f"{seen.width}x{seen.height} pixels instead of {agreed.width}x{agreed.height}"
    before, after = read_text(agreed, font), read_text(seen, font)
    told = []
    for was, now in zip(steady(before), steady(after), strict=True):
        if was != now:
            told += [f"- {was}", f"+ {now}"]
    if told:
        return "\n".join(told)
    row = seen.width * 3 * font.height
    for number, (was, now) in enumerate(zip(before.split("\n"), after.split("\n"), strict=True)):
        place = slice(number * row, (number + 1) * row)
        if was == now and agreed.pixels[place] != seen.pixels[place]:
            told.append(f"other colours: {now}")
    return "\n".join(told)


def _opened(path: Path) -> Picture:
    with Image.open(path) as image:
        return Picture(image.width, image.height, image.convert("RGB").tobytes())
