# SPDX-License-Identifier: Apache-2.0
"""The recipe's accounts as lines of passwd, group and shadow (passwd(5), group(5), shadow(5)).

They are there before the first package that would make an account of its own, which then finds
it and leaves it: so ids are the same in every version of the image, whatever is installed in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from image.recipe import BARE_GROUPS, GROUPS, NO_SHELL, PEOPLE, SYSTEM

LOCKED = "!*"
"""No password is ever right."""


def files() -> Mapping[str, str]:
    """File name → lines to add; `passwords` is for chpasswd, root being there already."""
    return {"passwd": passwd(), "group": group(), "shadow": shadow(), "passwords": passwords()}


def passwd() -> str:
    """Everybody but root, whom the base system has."""
    lines = [f"{each.name}:x:{each.id}:{each.id}::{each.home}:{NO_SHELL}" for each in SYSTEM]
    lines += [
        f"{each.name}:x:{each.id}:{each.id}::{each.home}:{each.shell}" for each in PEOPLE if each.id
    ]
    return _lines(lines)


def group() -> str:
    """Ours with their members, then each account's own."""
    members = {
        each.name: [one.name for one in (*PEOPLE, *SYSTEM) if each.name in one.groups]
        for each in GROUPS
    }
    lines = [f"{each.name}:x:{each.gid}:{','.join(members[each.name])}" for each in GROUPS]
    lines += [f"{each.group or each.name}:x:{each.id}:" for each in SYSTEM]
    lines += [f"{each.name}:x:{each.gid}:" for each in BARE_GROUPS]
    lines += [f"{each.name}:x:{each.id}:" for each in PEOPLE if each.id]
    return _lines(lines)


def shadow() -> str:
    """Daemons have no password; a person's is as old as can be, so it is changed at once."""
    lines = [f"{each.name}:{LOCKED}:0::::::" for each in SYSTEM]
    lines += [f"{each.name}:{each.password}:0:0:99999:7:::" for each in PEOPLE if each.id]
    return _lines(lines)


def passwords() -> str:
    """For those whom the base system has made already."""
    return _lines([f"{each.name}:{each.password}" for each in PEOPLE if not each.id])


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
