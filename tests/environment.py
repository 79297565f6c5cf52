# SPDX-License-Identifier: Apache-2.0
"""The same environment for every test, whoever types the command.

A pytest plugin named in pyproject.toml, because it must be imported before Textual, which reads
its variables once, and the snapshot plugin imports Textual before any conftest.py is read.
"""

from __future__ import annotations

import os

LEAKY_PREFIXES = ("BALLAST_", "TEXTUAL_")
LEAKY_NAMES = frozenset(
    {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PYTHONPATH"}
    | {f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")}
    | {f"{scheme}_PROXY" for scheme in ("HTTP", "HTTPS", "ALL", "NO")}
)


def leaks() -> list[str]:
    """Name the variables by which a person's shell could change a test: sockets, size, colours."""
    return sorted(v for v in os.environ if v in LEAKY_NAMES or v.startswith(LEAKY_PREFIXES))


SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where Debian puts haproxy and ip, and where an ordinary account does not look."""

for _name in leaks():
    del os.environ[_name]
os.environ["PATH"] = os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN))
