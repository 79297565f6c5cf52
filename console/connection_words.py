# SPDX-License-Identifier: Apache-2.0
"""What is typed into the filter of connections, as fields of a question; pure."""

from __future__ import annotations

FIELDS = ("client", "vip", "service", "server", "state")
LONGEST = 200


def asked(text: str) -> dict[str, str]:
    """`client=203.0.113.9 web` → the client, and `web` anywhere; what is not named is empty."""
    fields = dict.fromkeys((*FIELDS, "words"), "")
    free = []
    for word in text[:LONGEST].split():
        name, equals, value = word.partition("=")
        if equals and name.casefold() in FIELDS:
            fields[name.casefold()] = value
        else:
            free.append(word)
    return {**fields, "words": " ".join(free)}
