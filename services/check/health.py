# SPDX-License-Identifier: Apache-2.0
"""Rules inside the health check of one layer 4 service."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from services.check.service import Path
from services.errors import Problem
from services.model import CheckProtocol, CheckType, Layer4Service
from services.model.checks import HTTP, uses
from services.model.layer4 import Protocol


def health(path: Path, service: Layer4Service) -> Iterator[Problem]:
    """The problems of the check of the service at `path`."""
    here = (*path, "check")
    check = service.check
    if check.timeout_s > check.interval_s:
        # HAProxy bounds a check's connect by the interval, whatever the timeout says
        yield Problem(
            (*here, "timeout_s"),
            f"{service.label} checks every {check.interval_s} s but waits {check.timeout_s} s for "
            "an answer: a check would still wait when the next one is due.",
            f"Write {check.interval_s} at most, or check less often.",
        )
    if uses(check, "port"):
        yield from _port(here, service)
    if check.kind is CheckType.EXTERNAL and not check.script:
        yield Problem(
            (*here, "script"),
            f"{service.label} is checked by a script, but none is named.",
            "Write the name of a stored script.",
        )
    if check.kind is CheckType.NEGOTIATE:
        yield from _negotiation(here, service)
    yield from _quorum(here, service)


def _port(here: Path, service: Layer4Service) -> Iterator[Problem]:
    known = service.check.port or service.protocol is not Protocol.MARK
    if not known and not all(server.port for server in service.servers):
        yield Problem(
            (*here, "port"),
            f"{service.label} is known by a firewall mark, which does not say at which port its "
            "servers are to be checked.",
            "Write the check port, or choose ping.",
        )


def _negotiation(here: Path, service: Layer4Service) -> Iterator[Problem]:
    check = service.check
    if check.protocol in HTTP and check.request and not check.request.startswith("/"):
        yield Problem(
            (*here, "request"),
            f"{service.label} asks for `{check.request}`, which is no path.",
            f"Write /{check.request}.",
        )
    if check.protocol in HTTP and " " in check.request:
        yield Problem(
            (*here, "request"),
            f"{service.label} asks for a path with a blank in it, which HTTP does not know.",
            "Write %20 for it.",
        )
    if check.protocol is CheckProtocol.HTTP_PROXY and not check.host:
        yield Problem(
            (*here, "host"),
            f"{service.label} checks proxies, and a proxy must be asked for some site's page.",
            "Write the site's name as virtual host.",
        )
    if check.protocol is CheckProtocol.RADIUS and not check.password:
        yield Problem(
            (*here, "password"),
            f"{service.label} checks RADIUS servers, which answer only who knows the shared "
            "secret.",
            "Store it (`ballast secret set NAME`, or Maintenance, Secrets and scripts in the "
            "console), and name it here.",
        )
    if check.protocol is CheckProtocol.DNS and check.expect and not _is_address(check.expect):
        yield Problem(
            (*here, "expect"),
            f"{service.label} expects `{check.expect}` in an answer of addresses.",
            "Write the address that the answer must have, or nothing.",
        )
    if uses(check, "verify_tls") and check.verify_tls and not check.host:
        yield Problem(
            (*here, "host"),
            f"{service.label} checks certificates, but no name is given that they shall have.",
            "Write the name as virtual host.",
        )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _quorum(here: Path, service: Layer4Service) -> Iterator[Problem]:
    check = service.check
    if check.quorum_up and check.quorum_up < check.quorum_down:
        yield Problem(
            (*here, "quorum_up"),
            f"{service.label} goes below its quorum with fewer than {check.quorum_down} servers, "
            f"and would be back with {check.quorum_up} already.",
            f"Write {check.quorum_down} or more, or 0.",
        )
    elif check.quorum_up and not check.quorum_down:
        yield Problem(
            (*here, "quorum_up"),
            f"{service.label} has an upper mark of its quorum, but no lower one.",
            "Write the lower mark, too.",
        )
    needed = max(check.quorum_down, check.quorum_up)
    if service.servers and needed > len(service.servers):
        yield Problem(
            (*here, "quorum_up" if check.quorum_up else "quorum_down"),
            f"{service.label} needs {needed} healthy servers, but has {len(service.servers)}.",
            f"Write {len(service.servers)} at most, or add servers.",
        )
