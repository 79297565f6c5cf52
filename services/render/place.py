# SPDX-License-Identifier: Apache-2.0
"""Where the appliance's files lie and what the platform allows: facts, handed in from outside.

Two labs on one machine, a lab without root and the appliance itself differ in these values
and in nothing else, so no other module asks where it runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Place:
    """The paths of one appliance, and the account its HAProxy runs as."""

    run: PurePath = PurePath("/run/ballast")
    """What is gone after a restart: sockets, the generated haproxy.cfg."""

    etc: PurePath = PurePath("/etc")
    """Where hostname, hosts and resolv.conf go."""

    account: str | None = "haproxy"
    """User and group of HAProxy's workers. None where only one user exists, as in a lab
    without root: a user namespace maps a single id."""

    @property
    def haproxy(self) -> PurePath:
        """HAProxy's own folder."""
        return self.run / "haproxy"

    @property
    def config(self) -> PurePath:
        """The generated file."""
        return self.haproxy / "haproxy.cfg"

    @property
    def admin_socket(self) -> PurePath:
        """The worker's runtime API."""
        return self.haproxy / "admin.sock"

    @property
    def master_socket(self) -> PurePath:
        """The master's command line: reload, and a door to workers that are leaving."""
        return self.haproxy / "master.sock"

    @property
    def state_file(self) -> PurePath:
        """Health that a new worker takes over from the one before."""
        return self.haproxy / "servers.state"

    @property
    def log(self) -> PurePath:
        """What HAProxy says about itself."""
        return self.haproxy / "haproxy.log"

    @property
    def probe(self) -> PurePath:
        """The folder of `ballast-probe`, beside ours: its account must not get into that."""
        return self.run.with_name(f"{self.run.name}-probe")

    @property
    def probe_socket(self) -> PurePath:
        """Where it takes jobs."""
        return self.probe / "probe.sock"

    @property
    def checks(self) -> PurePath:
        """The folder of the HAProxy that looks after layer 4 servers."""
        return self.run / "checks"

    @property
    def checks_config(self) -> PurePath:
        """Its generated file."""
        return self.checks / "checks.cfg"

    @property
    def checks_socket(self) -> PurePath:
        """Where it tells what it found."""
        return self.checks / "admin.sock"

    @property
    def checks_state(self) -> PurePath:
        """What was known last: it begins there."""
        return self.checks / "servers.state"

    @property
    def checks_log(self) -> PurePath:
        """What it says about itself."""
        return self.checks / "checks.log"
