# SPDX-License-Identifier: Apache-2.0
"""Text out of a picture of a text screen, by comparing with the font that painted it.

Nothing is guessed: a cell either is one of the font's glyphs, bit by bit, or it is unknown. So
what a test reads here was really on the screen, and a glyph that the font lacks shows as such.
"""

from __future__ import annotations

import gzip
import re
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_VGA_START = bytes(16) + bytes.fromhex("00007e81a58181bd9981817e00000000")
_PSF1, _PSF2 = b"\x36\x04", b"\x72\xb5\x4a\x86"


@dataclass(frozen=True)
class Font:
    """A console font: the rows of each glyph as one number, and the character it stands for."""

    width: int
    height: int
    glyphs: Mapping[bytes, str]
    """The rows, each padded to whole bytes → the character, the plainest if there are several."""


@dataclass(frozen=True)
class Picture:
    """Pixels, three bytes each, row by row."""

    width: int
    height: int
    pixels: bytes


def read_ppm(data: bytes) -> Picture:
    """A binary PPM with 8 bits a colour, as QEMU writes it; raises `ValueError`."""
    header = re.match(rb"P6\s(?:#.*\n)*(\d+)\s(\d+)\s255\s", data)
    if header is None:
        raise ValueError("This is no binary PPM of 8 bits.")
    width, height = int(header[1]), int(header[2])
    pixels = data[header.end() :]
    if len(pixels) != width * height * 3:
        raise ValueError("The picture is not complete.")
    return Picture(width, height, pixels)


def read_font(path: Path) -> Font:
    """The font in a file; see `read_font_bytes`."""
    return read_font_bytes(path.read_bytes())


def read_font_bytes(data: bytes) -> Font:
    """A PSF of either version, compressed or not, with its table; raises `ValueError`."""
    data = plain_font(data)
    if data.startswith(_PSF1):
        return _psf1(data)
    if data.startswith(_PSF2):
        return _psf2(data)
    raise ValueError("This is no console font.")


def plain_font(data: bytes) -> bytes:
    """The bytes of a font file, decompressed if they are not plain."""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def read_vga_rom(data: bytes) -> Font:
    """The font of 8 by 16 in a VGA's firmware: 256 glyphs of code page 437; raises `ValueError`.

    It is found by its first two, the blank and the face, which every such font has in common.
    """
    height = 16
    start = data.find(_VGA_START)
    glyphs = [data[at : at + height] for at in range(start, start + 256 * height, height)]
    if start < 0 or len(glyphs[-1]) < height:
        raise ValueError("There is no font in this firmware.")
    # below the blank the code page has pictures, which Python's codec takes for control characters
    entries = [[ord(letter)] for letter in bytes(range(256)).decode("cp437")]
    return Font(8, height, _by_look(glyphs[32:], entries[32:]))


def _psf1(data: bytes) -> Font:
    mode, height = data[2], data[3]
    count = 512 if mode & 1 else 256
    table = data[4 + count * height :]
    # Characters of 16 bits, each glyph's ended by ffff; what follows fffe are sequences.
    entries: list[list[int]] = [[]]
    in_sequence = False
    for (code,) in struct.iter_unpack("<H", table):
        if code == 0xFFFF:
            entries.append([])
            in_sequence = False
        elif code == 0xFFFE:
            in_sequence = True
        elif not in_sequence:
            entries[-1].append(code)
    glyphs = [data[4 + n * height : 4 + (n + 1) * height] for n in range(count)]
    return Font(8, height, _by_look(glyphs, entries))


def _psf2(data: bytes) -> Font:
    header, _, count, size, height, width = struct.unpack_from("<6I", data, 8)
    table = data[header + count * size :]
    entries = [
        [ord(letter) for letter in entry.partition(b"\xfe")[0].decode()]
        for entry in table.split(b"\xff")
    ]
    glyphs = [data[header + n * size : header + (n + 1) * size] for n in range(count)]
    return Font(width, height, _by_look(glyphs, entries))


def _by_look(glyphs: Sequence[bytes], entries: Sequence[Sequence[int]]) -> dict[bytes, str]:
    """Several characters may look the same; ASCII comes first, then the lowest code."""
    found: dict[bytes, str] = {}
    for glyph, codes in zip(glyphs, entries, strict=False):
        if codes and (glyph not in found or min(codes) < ord(found[glyph])):
            found[glyph] = chr(min(codes))
    found[bytes(len(glyphs[0]))] = " "
    return found


def read_text(picture: Picture, *fonts: Font) -> str:
    """The lines on the screen; a cell that is no glyph of `fonts` is `UNKNOWN`.

    The fonts share one cell. VGA's text mode paints cells of nine pixels for fonts of eight.
    """
    width, height = fonts[0].width, fonts[0].height
    step = width + 1 if picture.width == 720 else width
    glyphs: dict[bytes, str] = {}
    for font in reversed(fonts):
        glyphs |= font.glyphs
    known: dict[bytes, str] = {}
    lines = []
    for top in range(0, picture.height - height + 1, height):
        rows = [
            picture.pixels[y * picture.width * 3 : (y + 1) * picture.width * 3]
            for y in range(top, top + height)
        ]
        line = ""
        for left in range(0, picture.width - width + 1, step):
            cell = b"".join(row[left * 3 : (left + width) * 3] for row in rows)
            if cell not in known:
                known[cell] = _letter(cell, width, glyphs)
            line += known[cell]
        lines.append(line.rstrip())
    return "\n".join(lines)


def _letter(cell: bytes, width: int, glyphs: Mapping[bytes, str]) -> str:
    """The character of one cell, whichever of its two colours is the ink."""
    pixels = [cell[n : n + 3] for n in range(0, len(cell), 3)]
    colours = [colour for colour, _ in Counter(pixels).most_common(3)]
    if len(colours) > 2:
        return UNKNOWN
    if len(colours) == 1:
        return " "
    for ink in reversed(colours):
        if (shape := _shape(pixels, width, ink)) in glyphs:
            return glyphs[shape]
    return UNKNOWN


def _shape(pixels: Sequence[bytes], width: int, ink: bytes) -> bytes:
    """One bit a pixel, rows padded to whole bytes, as fonts have it."""
    shape = b""
    padded = -(-width // 8) * 8
    for start in range(0, len(pixels), width):
        bits = "".join("1" if pixel == ink else "0" for pixel in pixels[start : start + width])
        shape += int(bits.ljust(padded, "0"), 2).to_bytes(padded // 8)
    return shape
