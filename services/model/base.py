# SPDX-License-Identifier: Apache-2.0
"""The base of every configuration object and the types that strings must pass through.

Every string that reaches a generated file or a screen has a type that cannot carry a
newline, a control character or a quote: HAProxy's file is line based, and a newline in a
label would be a directive. The limits stand here, at the door, not in the templates.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from services.model.described import descriptions

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
InterfaceAddress: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class Model(BaseModel):
    """Base of every configuration object: immutable, closed, self-describing.

    A field's docstring is its description, so the same words stand in the form, the schema
    and the manual. Built when it is first used: a console that shows figures uses none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """With the fields' descriptions."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, words in descriptions(cls).items():
            if name in properties:
                properties[name]["description"] = words
        return schema


def refuse(what: str, do: str) -> PydanticCustomError:
    """An error for a validator to raise: a sentence and its remedy."""
    return PydanticCustomError("ballast", "{what} {do}", {"what": what, "do": do})


def shown(value: object, limit: int = 40) -> str:
    """A refused value as it may be quoted in a sentence: bounded, no control characters."""
    return f"`{cleaned(repr(value) if not isinstance(value, str) else value, limit)}`"


def cleaned(text: str, limit: int) -> str:
    """Foreign text made safe for one line of a terminal, cut to `limit` characters."""
    clean = text[: limit + 1]
    if not clean.isprintable():
        clean = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in clean)
    return f"{clean[:limit]}…" if len(clean) > limit else clean


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise refuse("There is nothing here.", "Write a text.")
    single = isinstance(value, int | float)
    raise refuse(f"{shown(value)} is no text.", "Write it in quotes." if single else "Write one.")


def _matching(pattern: str, name: str, do: str) -> Callable[[object], str]:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: object) -> str:
        text = _text(value)
        # fullmatch, because `$` lets a trailing newline through
        if compiled.fullmatch(text):
            return text
        raise refuse(f"{shown(text)} is no {name}.", do)

    return check


def _printable(value: object) -> str:
    value = _text(value)
    if len(value) > 200:
        raise refuse("The comment is longer than 200 characters.", "Shorten it.")
    if value.isascii() and value.isprintable():
        return value
    if any(unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for sign in value):
        raise refuse(
            "The comment has a line break or a control character.", "Write it in one line."
        )
    return value


PARSED = 16_384
"""Addresses remembered as they were read: most of a document is what it was before."""

_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def _address(value: object) -> Address:
    # by the exact type, because a cache takes a text and its equal for the same
    return _address_of(value) if type(value) is str else _judged(value)


@lru_cache(maxsize=PARSED)
def _address_of(text: str) -> Address:
    return _judged(text)


def _judged(value: object) -> Address:
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        found: Address = value
    else:
        try:
            found = ipaddress.ip_address(value if isinstance(value, str) else "")
        except ValueError:
            what = f"{shown(value)} is no IP address." if value else "There is no IP address."
            raise refuse(what, "Write it like 192.168.1.100 or 2001:db8::10.") from None
    if found.version == 6 and found.scope_id is not None:
        raise refuse(f"{shown(str(found))} names a zone.", "Leave out the % and what follows.")
    if found.version == 6 and found.ipv4_mapped is not None:
        raise refuse(
            # Python 3.13 writes such an address otherwise than 3.11, so it is written here
            f"`::ffff:{found.ipv4_mapped}` is a mapped IPv4 address.",
            f"Write {found.ipv4_mapped}.",
        )
    if found.is_unspecified or found.is_multicast or found == _BROADCAST:
        raise refuse(f"{found} is not the address of one host.", "Write the address of one host.")
    return found


def _vip(value: object) -> Address:
    found = _address(value)
    if found.is_loopback or (found.version == 6 and found.is_link_local):
        raise refuse(
            f"{found} cannot be reached by clients.",
            "Write an address of a network the clients can reach.",
        )
    return found


def _interface_address(value: object) -> InterfaceAddress:
    example = "Write address/prefix like 192.168.2.21/24 (a mask like /255.255.255.0 will do)."
    if isinstance(value, ipaddress.IPv4Interface | ipaddress.IPv6Interface):
        found: InterfaceAddress = value
    else:
        try:
            if not isinstance(value, str) or "/" not in value:
                raise ValueError
            found = ipaddress.ip_interface(value)
        except ValueError:
            raise refuse(f"{shown(value)} is no address with a prefix.", example) from None
    _vip(found.ip)
    whole = 31 if found.version == 4 else 127
    if found.network.prefixlen < whole and found.ip == found.network.network_address:
        raise refuse(f"{found} is the network's own address.", "Write the address of one host.")
    if (
        found.version == 4
        and found.network.prefixlen < whole
        and found.ip == found.network.broadcast_address
    ):
        raise refuse(f"{found} is the broadcast address.", "Write the address of one host.")
    return found


_CODES = _matching(
    r"[1-5][0-9]{2}(-[1-5][0-9]{2})?(,[1-5][0-9]{2}(-[1-5][0-9]{2})?){0,9}",
    "list of status codes",
    "Write it like 200 or 200-399 or 200,301-302.",
)


def _status_codes(value: object) -> str:
    text = _CODES(value)
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        if last and first > last:
            raise refuse(f"The range {piece} runs backwards.", f"Write {last}-{first}.")
    return text


PORT_HELP = "Write ports like 80 or 80,443 or 1000-1010, each from 1 to 65535."


def port_ranges(ports: str) -> tuple[tuple[int, int], ...]:
    """The inclusive ranges of a port list, e.g. `80,1000-1010` → `((80, 80), (1000, 1010))`.

    Takes the normal form that `Ports` guarantees.
    """
    pieces = (piece.partition("-") for piece in ports.split(","))
    return tuple((int(first), int(last or first)) for first, _, last in pieces)


def _ports(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise refuse(f"{shown(value)} is no list of ports.", PORT_HELP)
    if not text.strip():
        raise refuse("There is no port.", PORT_HELP)
    if len(text) > 400:
        raise refuse(
            "The list of ports is longer than 400 signs.",
            "Write ranges like 1000-1010, or split it over several services.",
        )
    return _ports_in(text)


@lru_cache(maxsize=1 << 12)
def _ports_in(text: str) -> str:
    ranges: list[tuple[int, int]] = []
    for piece in text.replace(" ", "").split(","):
        found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", piece, re.ASCII)
        if not found:
            gap = "an empty place" if not piece else shown(piece)
            raise refuse(f"The list of ports has {gap} in it.", PORT_HELP)
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= 65535 or not 1 <= last <= 65535:
            raise refuse(f"{shown(piece)} is outside 1 to 65535.", PORT_HELP)
        if first > last:
            raise refuse(f"The range {piece} runs backwards.", f"Write {last}-{first}.")
        ranges.append((first, last))
    ranges.sort()
    for (_, before), (after, _) in pairwise(ranges):
        if after <= before:
            raise refuse(f"Port {after} is listed twice.", "Name each port once.")
    if sum(last - first + 1 for first, last in ranges) > 1024:
        raise refuse("The list has more than 1024 ports.", "Split it over several services.")
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)


Label = Annotated[
    str,
    BeforeValidator(
        _matching(
            r"[A-Za-z0-9_.-]{1,63}",
            "label",
            "Use A-Z, a-z, 0-9, dot, underscore and minus, 63 characters at most; "
            "anything else fits in the comment.",
        )
    ),
    # for the schema only: as a constraint it would be judged a second time, and slowly
    WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z0-9_.-]{1,63}$"}),
]
Comment = Annotated[str, BeforeValidator(_printable)]
HostName = Annotated[
    str,
    BeforeValidator(
        _matching(
            r"(?=.{1,63}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?",
            "host name",
            "Use letters, digits and minus, not at either end, 63 characters at most.",
        )
    ),
]
DomainName = Annotated[
    str,
    BeforeValidator(
        _matching(
            r"|(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*"
            r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?",
            "domain name",
            "Write it like www.example.com, or leave it empty.",
        )
    ),
]
_MAILBOX = (
    r"(?=[^@]{1,64}@)[A-Za-z0-9_][A-Za-z0-9_+=-]*(\.[A-Za-z0-9_+=-]+)*"
    r"@(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*"
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
"""Of what RFC 5321 allows before the @ nothing that a file, a shell or an argument obeys."""
EmailAddress = Annotated[
    str,
    BeforeValidator(_matching(_MAILBOX, "e-mail address", "Write it like operators@example.com.")),
]
EmailSender = Annotated[
    str,
    BeforeValidator(
        _matching(
            f"|{_MAILBOX}", "e-mail address", "Write it like lb@example.com, or leave it empty."
        )
    ),
]
HttpPath = Annotated[
    str,
    BeforeValidator(
        _matching(
            r"/[A-Za-z0-9/._~!&()*+,;=:@%?-]{0,254}",
            "request path",
            "Begin with / and use no blanks, quotes, # or $, 255 characters at most.",
        )
    ),
]
Phrase = Annotated[
    str,
    BeforeValidator(
        _matching(
            r"[A-Za-z0-9_.,:;/<>=!?()@%+*&~|-]?"
            r"([A-Za-z0-9 _.,:;/<>=!?()@%+*&~|-]{0,125}[A-Za-z0-9_.,:;/<>=!?()@%+*&~|-])?",
            "phrase to look for",
            "Use letters, digits, blanks inside and plain signs without quotes, "
            "127 characters at most.",
        )
    ),
]
StatusCodes = Annotated[str, BeforeValidator(_status_codes)]
AccountName = Annotated[
    str,
    BeforeValidator(
        _matching(
            r"[A-Za-z0-9_.,=@+-]{0,127}",
            "account name",
            "Use letters, digits and _ . , = @ + -, 127 characters at most.",
        )
    ),
]
FileName = Annotated[
    str,
    BeforeValidator(
        _matching(
            r"|[A-Za-z0-9][A-Za-z0-9_.-]{0,62}",
            "name of a stored file",
            "Use letters, digits, dot, underscore and minus, 63 characters at most, and begin "
            "with a letter or a digit.",
        )
    ),
]
"""The name of a script or a secret, without its folder; empty: none."""
CookieName = Annotated[
    str,
    BeforeValidator(
        _matching(
            r"[A-Za-z0-9_-]{1,32}", "cookie name", "Use letters, digits, minus and underscore."
        )
    ),
]
# Plain validators: pydantic's own would parse every address a second and a third time, as IPv4
# and as IPv6, and a large document is mostly addresses.
_AS_TEXT = PlainSerializer(str, return_type=str, when_used="json")
_ADDRESS_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}
)
_INTERFACE_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "format": "ipv4interface"},
            {"type": "string", "format": "ipv6interface"},
        ]
    }
)
IPAddress = Annotated[Address, PlainValidator(_address), _AS_TEXT, _ADDRESS_SCHEMA]
VipAddress = Annotated[Address, PlainValidator(_vip), _AS_TEXT, _ADDRESS_SCHEMA]
LocalAddress = Annotated[
    InterfaceAddress, PlainValidator(_interface_address), _AS_TEXT, _INTERFACE_SCHEMA
]
Port = Annotated[int, Field(ge=1, le=65535)]
Ports = Annotated[str, BeforeValidator(_ports)]
Id = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""A permanent number; 0 is "not given yet", the appliance gives one when it applies.

31 bits because HAProxy's proxy and server ids are positive 31-bit integers (HAProxy
configuration manual, keyword `id`)."""


def field_help(model: type[BaseModel], field: str) -> str:
    """The field's own words, for a form or a manual."""
    return " ".join(descriptions(model).get(field, "").split())
