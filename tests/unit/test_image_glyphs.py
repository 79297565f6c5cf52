# SPDX-License-Identifier: Apache-2.0
"""Text out of pictures: the font of a VGA's own text mode, cells of nine pixels, what differs."""

from __future__ import annotations

import pytest

from image.glyphs import UNKNOWN, Picture, read_text, read_vga_rom
from tests.image.pictures import differences

HEIGHT = 16
FACE = bytes.fromhex("00007e81a58181bd9981817e00000000")


def firmware() -> bytes:
    """A VGA's, as far as it matters: 256 glyphs, the first row of each is its number."""
    glyphs = [bytes([code]).ljust(HEIGHT, b"\0") for code in range(256)]
    glyphs[1] = FACE
    return b"\x55\xaa code" + b"".join(glyphs) + b"code"


def painted(*codes: int) -> Picture:
    """One line of those on a screen of 720 pixels, whose cells have an empty ninth column."""
    row = b"".join(
        b"".join(b"\xaa\xaa\xaa" if code >> bit & 1 else bytes(3) for bit in range(7, -1, -1))
        + bytes(3)
        for code in codes
    )
    return Picture(720, HEIGHT, row.ljust(720 * 3 * HEIGHT, b"\0"))


def test_a_text_screen_is_read_with_the_font_of_the_vgas_firmware() -> None:
    font = read_vga_rom(firmware())
    assert read_text(painted(*b"MAWmw8"), font) == "MAWmw8"
    assert read_text(painted(*"café".encode("cp437")), font) == "café"


def screen(*lines: bytes) -> Picture:
    pixels = b"".join(painted(*line).pixels for line in lines)
    return Picture(720, HEIGHT * len(lines), pixels)


def test_a_screen_whose_last_line_is_not_painted_yet_differs_in_that_line() -> None:
    agreed, seen = screen(b"title", b"keys"), screen(b"title", b"")
    font = read_vga_rom(firmware())
    assert differences(agreed, seen, font) == "- keys\n+ "
    assert differences(seen, agreed, font) == "- \n+ keys"
    assert not differences(agreed, agreed, font)


def test_the_pictures_below_the_blank_are_no_characters() -> None:
    assert read_text(painted(2), read_vga_rom(firmware())) == UNKNOWN


@pytest.mark.parametrize("firmware", [b"", b"\x55\xaa", bytes(HEIGHT) + FACE + bytes(100)])
def test_a_firmware_without_a_whole_font_is_refused(firmware: bytes) -> None:
    with pytest.raises(ValueError, match="no font"):
        read_vga_rom(firmware)
