# SPDX-License-Identifier: Apache-2.0
"""Live figures: the data plane's counters and the machine's, sampled when somebody asks.

Rates need two samples. They are taken at most about once a second however many consoles
ask, so that looking costs the same whether one person looks or ten.
"""

from __future__ import annotations

import asyncio
import grp
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.agent.appliance import Appliance
from services.agent.health import HealthBook
from services.api import InterfaceStatus, NodeStatus, ServiceStatus, Status, UnitStatus
from services.api_reports import Layer4Report
from services.drivers.ethtool import CardFacts
from services.drivers.ipvs import Statistics
from services.drivers.machine import machine, uptime_s
from services.drivers.sample import Sample
from services.errors import ApplianceError, Unable
from services.follow import Drivers
from services.plan.ipvs import IpvsWanted, ServiceKey
from services.plan.state import LinksSeen
from services.reports.flows import layer4_report
from services.reports.status import services_status

FACTORY_GROUP = "ballast-factory"
"""sshd refuses its members; an account leaves it when its password is changed."""

FRESH_S = 0.9
"""A sample younger than this is shown again instead of taken anew."""

SHARE = 0.1
"""Counting what layer 4 carries takes at most this share of the time: the kernel is asked for
each service by itself, which takes 2 s for 1,000 in an emulated machine."""


class Observer:
    """Takes samples and keeps the last two."""

    def __init__(
        self, appliance: Appliance, drivers: Drivers, book: HealthBook, *, version: str
    ) -> None:
        self._appliance = appliance
        self._book = book
        self._drivers = drivers
        self._version = version
        self._lock = asyncio.Lock()
        self._now = self._before = Sample(at=0.0, running=False)
        self._machine_now = self._machine_before = machine()
        self._counted: tuple[IpvsWanted, float] = (IpvsWanted(), 0.0)
        """What layer 4 was when it was counted, and until when that will do."""
        self._links = LinksSeen()
        self._facts: Mapping[str, CardFacts] = {}

    async def status(self) -> Status:
        """Everything the Overview shows."""
        await self._refresh()
        running = self._appliance.running
        now = replace(self._now, standings=self._book.standings)
        services = services_status(running.document, now, self._before)
        return Status(at=time.time(), node=self._node(services), services=services)

    async def layer4(self) -> Layer4Report:
        """What every layer 4 service and its servers carry; raises `Unable` if nobody knows."""
        await self._refresh()
        running, counted = self._appliance.running, self._now.layer4
        if counted is None and running.document.cluster.layer4:
            raise Unable(
                "The kernel has no IPVS, or does not answer.", do="See the notices of the Overview."
            )
        table = running.wanted.ipvs.table
        return layer4_report(running.document, table, counted or {}, at=time.time())

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._now.at < FRESH_S:
                return
            sample, links = await asyncio.gather(self._sample(), self._drivers.links.seen())
            if links.devices != self._links.devices:  # a link that comes up may have a new speed
                self._facts = await self._drivers.links.describe(links.devices)
            self._before, self._now, self._links = self._now, sample, links
            self._machine_before, self._machine_now = self._machine_now, machine()

    async def _sample(self) -> Sample:
        """A data plane that does not answer is shown as down with its reason, not as an error:
        the Overview is where a person looks first when something is wrong.
        """
        try:
            sample = await self._drivers.haproxy.sample()
        except ApplianceError as error:
            self._appliance.notices["haproxy"] = str(error)
            return Sample(at=time.monotonic(), running=False, layer4=await self._layer4())
        self._appliance.notices.pop("haproxy", None)
        return replace(sample, layer4=await self._layer4())

    async def _layer4(self) -> Mapping[ServiceKey, Statistics] | None:
        wanted, begun = self._appliance.running.wanted.ipvs, time.monotonic()
        if not wanted.table:
            return None
        if self._counted[0] is wanted and begun < self._counted[1]:
            return self._now.layer4
        try:
            counted = await self._drivers.ipvs.statistics()
        except ApplianceError:
            return None  # the loop, which needs it too, says why
        ended = time.monotonic()
        self._counted = (wanted, ended + (ended - begun) / SHARE)
        return counted

    def _node(self, services: Sequence[ServiceStatus]) -> NodeStatus:
        running = self._appliance.running
        local = running.document.local
        spent = self._machine_now.at - self._machine_before.at
        unit = UnitStatus(
            name="haproxy",
            running=self._now.running,
            since_s=self._now.since_s,
            detail="" if self._now.running or running.wanted.haproxy.running else "no service",
        )
        return NodeStatus(
            hostname=local.hostname,
            role=local.role.value,
            active=True,
            link="no peer",
            version=self._version,
            revision=running.revision,
            cpu_pct=self._machine_now.cpu_pct(self._machine_before),
            memory_pct=self._machine_now.memory_pct,
            uptime_s=uptime_s(),
            connections=sum(service.connections for service in services),
            bytes_in_per_s=_rate(self._machine_now.bytes_in, self._machine_before.bytes_in, spent),
            bytes_out_per_s=_rate(
                self._machine_now.bytes_out, self._machine_before.bytes_out, spent
            ),
            interfaces=self._interfaces(),
            units=(unit,),
            notices=tuple(self._appliance.notices.values()),
            confirm=self._appliance.confirm_status(),
            factory=factory_accounts(),
        )

    def _interfaces(self) -> tuple[InterfaceStatus, ...]:
        ours, foreign = sorted(self._links.ours.items()), sorted(self._links.foreign)
        return tuple(
            InterfaceStatus(
                name=name,
                carrier=device.carrier,
                mac=device.mac,
                addresses=tuple(k.address for k, floats in ours if k.device == name and not floats),
                floating=tuple(k.address for k, floats in ours if k.device == name and floats),
                not_saved=tuple(key.address for key in foreign if key.device == name),
                driver=self._facts[name].driver,
                speed_mbit=self._facts[name].speed_mbit,
            )
            for name, device in sorted(self._links.devices.items())
        )


def _rate(now: int, before: int, spent: float) -> float:
    return max(0, now - before) / spent if spent > 0 else 0.0


def factory_accounts() -> tuple[str, ...]:
    """Accounts whose password nobody has changed yet; none where there is no such group."""
    try:
        return tuple(sorted(grp.getgrnam(FACTORY_GROUP).gr_mem))
    except KeyError:
        return ()
