# SPDX-License-Identifier: Apache-2.0
"""As much of BER (X.690) as LDAP takes."""

from __future__ import annotations

INTEGER, TEXT, ENUMERATED, SEQUENCE = 0x02, 0x04, 0x0A, 0x30


def element(tag: int, *contents: bytes) -> bytes:
    """One element, its length in the shortest form."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    told = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(told)]) + told + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A number that is not negative."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def taken(data: bytes) -> tuple[int, bytes, bytes]:
    """The first element's tag and content, and what comes after it; raises `ValueError`."""
    if len(data) < 2:
        raise ValueError("there is no element")
    size, begin = data[1], 2
    if size & 0x80:
        begin += size & 0x7F
        size = int.from_bytes(data[2:begin], "big")
    if len(data) < begin + size:
        raise ValueError("the element is cut short")
    return data[0], data[begin : begin + size], data[begin + size :]
