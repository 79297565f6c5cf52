# SPDX-License-Identifier: Apache-2.0
"""Which keys an account is offered. Pure.

Only what is shown follows from this: whether something may be done is asked when it is tried,
here and once more by the agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.api_status import AccessRole, WhoAmI

_OPERATORS = (AccessRole.OPERATOR,)
_SETUP = (AccessRole.SETUP,)

NEEDED: Mapping[str, tuple[AccessRole, ...]] = {
    **dict.fromkeys(("halt", "drain", "online", "mark", "doctor"), _OPERATORS),
    **dict.fromkeys(("submit", "apply", "discard", "discard_all", "keep", "undo"), _SETUP),
    **dict.fromkeys(("keep_mine", "take_theirs"), _SETUP),
    **dict.fromkeys(("new", "delete", "roll_back", "store", "store_new"), ()),
}
"""Names of keys that change something, and who besides administrators may press them."""


def may(who: WhoAmI | None, also: Iterable[AccessRole]) -> bool:
    """Whether the account may do what administrators and these roles may."""
    return who is None or who.role in (AccessRole.ADMIN, *also)


def offered(who: WhoAmI | None, keys: Iterable[str]) -> tuple[str, ...]:
    """Those of the keys that do something for the account."""
    return tuple(name for name in keys if name not in NEEDED or may(who, NEEDED[name]))
