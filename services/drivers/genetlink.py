# SPDX-License-Identifier: Apache-2.0
"""Families of generic netlink: each has a name, and a number that the kernel chose at its start.

Looked up at every call, since a module that was loaded anew has another number; it costs a
tenth of a millisecond.
"""

from __future__ import annotations

import struct

from services.drivers.netlink import GENERIC, attributes, dump

HEADER = struct.Struct("=BBH")
_NUMBER = struct.Struct("=H")

_CONTROLLER, _GET_FAMILY = 0x10, 3
_FAMILY_ID, _FAMILY_NAME = 1, 2


def head(command: int, version: int) -> bytes:
    """What every message of a family begins with."""
    return HEADER.pack(command, version, 0)


def family(name: str) -> int | None:
    """The number of a family; None: this kernel has none of that name. Raises `OSError`."""
    for body in dump(_CONTROLLER, head(_GET_FAMILY, 1), to=GENERIC):
        found = attributes(body, HEADER.size)
        if found.get(_FAMILY_NAME, b"").rstrip(b"\0") == name.encode():
            return int(_NUMBER.unpack(found[_FAMILY_ID])[0])
    return None
