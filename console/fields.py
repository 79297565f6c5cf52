# SPDX-License-Identifier: Apache-2.0
"""A form's fields, read off the model: title, help, limits, choices, default. Pure.

The model is the only declaration of a field. A field added there appears in its form with
its own words, and nothing here knows any field by name.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from ipaddress import ip_address
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from services.errors import Problem
from services.model import Model, field_help, problems_from
from services.model.base import Address

Path = tuple[str, ...]

Json: TypeAlias = Any
"""A value of a configuration object as JSON; its shape is the model's to judge."""

Annotation: TypeAlias = Any
"""A type as the model declares it; `typing` gives those no common type."""

_Model = TypeVar("_Model", bound=Model)


class Kind(StrEnum):
    """How a field is filled in."""

    TEXT = "text"
    LIST = "list"
    """Text with commas between the entries."""
    TOGGLE = "toggle"
    CHOICE = "choice"


@dataclass(frozen=True)
class FieldSpec:
    """One field of a form."""

    path: Path
    """Names inside the object: `("check", "port")`."""
    title: str
    help: str
    kind: Kind
    group: str = ""
    """Title of the group it belongs to; empty: the object itself."""
    options: tuple[tuple[str, str], ...] = ()
    """Of a choice: value and words."""
    hint: str = ""
    """Limits in short, e.g. `0-256`."""
    default: Any = None
    """JSON; None where the person must say."""
    optional: bool = False
    """Empty means none."""

    @property
    def name(self) -> str:
        """The path as one word."""
        return ".".join(self.path)

    def shown(self, value: Json) -> str | bool:
        """A JSON value as the field holds it."""
        match self.kind:
            case Kind.TOGGLE:
                return bool(value)
            case Kind.LIST:
                return ", ".join(map(str, value or ()))
            case _:
                return "" if value is None else str(value)

    def taken(self, value: str | bool) -> Json:
        """What the field holds as JSON for the model to judge."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        if self.kind is Kind.LIST:
            return [part.strip() for part in text.split(",")] if text else []
        return None if self.optional and not text else text


_WORDS = {
    "http": "HTTP",
    "tcp": "TCP",
    "leastconn": "Weighted least connections",
    "roundrobin": "Weighted round robin",
    "source_ip": "Source IP",
    "http_cookie": "HTTP cookie",
    "http_get": "HTTP GET",
    "http_head": "HTTP HEAD",
    "http_options": "HTTP OPTIONS",
    "udp": "UDP",
    "tcp_udp": "TCP and UDP",
    "one_packet": "UDP, each packet by itself",
    "mark": "By firewall mark",
    "dr": "DR",
    "nat": "NAT",
    "tun": "TUN",
    "snat": "SNAT",
    "ipip": "IPIP",
    "gue": "GUE",
    "gre": "GRE",
    "wlc": "Weighted least connections",
    "wrr": "Weighted round robin",
    "lc": "Least connections",
    "rr": "Round robin",
    "sh": "Source hash",
    "dh": "Destination hash",
    "mh": "Maglev hash",
    "sed": "Shortest expected delay",
    "nq": "Never queue",
    "fo": "Weighted failover",
    "ovf": "Weighted overflow",
    "lblc": "Locality-based least connections",
    "lblcr": "Locality-based, with replication",
    "https": "HTTPS",
    "http_proxy": "HTTP proxy",
    "smtp": "SMTP",
    "pop3": "POP3",
    "pop3s": "POP3S",
    "imap": "IMAP",
    "imaps": "IMAPS",
    "ftp": "FTP",
    "nntp": "NNTP",
    "ldap": "LDAP",
    "mysql": "MySQL",
    "postgresql": "PostgreSQL",
    "simple_tcp": "Simple TCP",
    "dns": "DNS",
    "radius": "RADIUS",
    "sip": "SIP",
    "any": "Any protocol",
}
"""The trade's spelling of some values; any other is written as it is."""


def words_for(value: str) -> str:
    """A choice in words."""
    return _WORDS.get(value, value.replace("_", " ").capitalize())


def specs(model: type[BaseModel], *, without: Sequence[str] = ()) -> tuple[FieldSpec, ...]:
    """The fields of `model`, its own first and then those of the groups inside it.

    Permanent ids and objects inside the object have no field: nobody types the former, the
    latter have forms of their own.
    """
    own: list[FieldSpec] = []
    groups: list[FieldSpec] = []
    for name, info in model.model_fields.items():
        inner = _model_in(info.annotation)
        if name in {"id", "schema_version", *without} or _is_list_of_models(info.annotation):
            continue
        if inner is not None:
            groups += _group(name, info, inner)
        else:
            own.append(_spec(model, name, info))
    return (*own, *groups)


def value_at(found: Mapping[str, Any], path: Path) -> Json:
    """The JSON value a path leads to; None where it leads nowhere."""
    value: Json = found
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """A new object as a form begins with it."""
    found: dict[str, Any] = {}
    for spec in specs(model):
        _put(found, spec.path, spec.default)
    return found


def judged(
    model: type[_Model], base: Mapping[str, Any], values: Mapping[Path, Any]
) -> tuple[_Model | None, tuple[Problem, ...]]:
    """The object that `base` becomes with the form's values, or every problem with them.

    `base` brings what no field shows, e.g. the permanent id.
    """
    found = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in base.items()
    }
    for path, value in values.items():
        _put(found, path, value)
    try:
        return model.model_validate(found), ()
    except ValidationError as error:
        return None, problems_from(error, model)


def address_in(text: str) -> Address | None:
    """The address that is typed there; None: none yet."""
    try:
        return ip_address(text.strip())
    except ValueError:
        return None


def belongs(problem: Problem, path: Path) -> bool:
    """Whether a problem's path, counted from the object, is about this field."""
    return problem.path[: len(path)] == path


def _put(found: dict[str, Any], path: Path, value: Json) -> None:
    *groups, last = path
    for step in groups:
        found = found.setdefault(step, {})
    found[last] = value


def _group(name: str, info: FieldInfo, inner: type[BaseModel]) -> list[FieldSpec]:
    title = info.title or name
    return [
        FieldSpec(
            path=(name, *spec.path),
            title=spec.title,
            help=spec.help,
            kind=spec.kind,
            group=spec.group or title,
            options=spec.options,
            hint=spec.hint,
            default=spec.default,
            optional=spec.optional,
        )
        for spec in specs(inner)
    ]


def _spec(model: type[BaseModel], name: str, info: FieldInfo) -> FieldSpec:
    inner = _without_none(info.annotation)
    optional = inner is not info.annotation
    kind, options = _kind(inner)
    if optional and kind is Kind.CHOICE:
        options = (("", "None"), *options)
    return FieldSpec(
        path=(name,),
        title=info.title or name.replace("_", " ").capitalize(),
        help=field_help(model, name),
        kind=kind,
        options=options,
        hint=_hint(name, info, kind),
        default=_default(info),
        optional=optional,
    )


def _origin(annotation: Annotation) -> object:
    return get_origin(annotation)


def _kind(annotation: Annotation) -> tuple[Kind, tuple[tuple[str, str], ...]]:
    if annotation is bool:
        return Kind.TOGGLE, ()
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Kind.CHOICE, tuple((str(m.value), words_for(str(m.value))) for m in annotation)
    if _origin(annotation) is Literal:
        return Kind.CHOICE, tuple((str(value), str(value)) for value in get_args(annotation))
    if _origin(annotation) is tuple:
        return Kind.LIST, ()
    return Kind.TEXT, ()


_UNITS = {"_ms": " ms", "_s": " s", "_min": " min", "_h": " h"}
"""Names of the model carry the unit of a number."""


def _hint(name: str, info: FieldInfo, kind: Kind) -> str:
    least = next((m.ge for m in info.metadata if isinstance(m, Ge)), None)
    most = next((m.le for m in info.metadata if isinstance(m, Le)), None)
    if least is not None and most is not None:
        unit = next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")
        return f"{least}-{most}{unit}"
    longest = next((m.max_length for m in info.metadata if isinstance(m, MaxLen)), None)
    if kind is Kind.LIST and longest:
        return f"up to {longest}, commas"
    return ""


def _default(info: FieldInfo) -> Json:
    if info.is_required():
        return None
    value = info.get_default(call_default_factory=True)
    if isinstance(value, tuple):
        return [str(part) for part in value]
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _without_none(annotation: Annotation) -> Annotation:
    if _origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        if len(rest) < len(get_args(annotation)):
            return rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
    return annotation


def _model_in(annotation: Annotation) -> type[BaseModel] | None:
    found = _without_none(annotation)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _is_list_of_models(annotation: Annotation) -> bool:
    return _origin(annotation) is tuple and any(
        isinstance(part, type) and issubclass(part, BaseModel) for part in get_args(annotation)
    )
