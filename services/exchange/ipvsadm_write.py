# SPDX-License-Identifier: Apache-2.0
"""A table of the kernel as rules for `ipvsadm -R`.

They are in the table's order and in the very words of `ipvsadm -Sn`, with the limits of
connections that this leaves out.

Source: ipvsadm(8), version 1.31.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from services.plan import ipvs
from services.plan.ipvs import Checksum, Dest, DestKey, Flags, Service, ServiceKey, Table

_KINDS = {
    ipvs.Protocol.TCP: "-t",
    ipvs.Protocol.UDP: "-u",
    ipvs.Protocol.SCTP: "--sctp-service",
}
_WAYS = {ipvs.Forwarding.NAT: "-m", ipvs.Forwarding.DR: "-g", ipvs.Forwarding.TUN: "-i"}
_FLAGS = {Flags.FALLBACK: "flag-1", Flags.PORT: "flag-2", Flags.THIRD: "flag-3"}
_SUMS = {
    Checksum.NONE: "--tun-nocsum",
    Checksum.FULL: "--tun-csum",
    Checksum.REMOTE: "--tun-remcsum",
}


def write_ipvsadm(table: Table) -> str:
    """The rules that make `table`, for `ipvsadm -R`; the kernel must have no such service yet."""
    return "".join(f"{line}\n" for line in _rules(table))


def _rules(table: Table) -> Iterator[str]:
    for key, entry in table.items():
        which = _which(key)
        yield f"-A {which} {_how(entry.service, key.version)}"
        for dest_key, dest in entry.dests.items():
            yield f"-a {which} -r {_socket(dest_key)} {_reached(dest)}"


def _which(key: ServiceKey) -> str:
    if key.protocol is ipvs.Protocol.MARK:
        return f"-f {key.mark} -6" if key.version == 6 else f"-f {key.mark}"
    return f"{_KINDS[key.protocol]} {_socket(key)}"


def _socket(key: ServiceKey | DestKey) -> str:
    return f"[{key.address}]:{key.port}" if ":" in key.address else f"{key.address}:{key.port}"


def _how(service: Service, version: int) -> str:
    words = ["-s", service.scheduler]
    if service.persistence_s:
        words += ["-p", str(service.persistence_s)]
        if version == 6 and service.granularity != 128:
            words += ["-M", str(service.granularity)]
        elif version == 4 and service.granularity != 32:
            words += ["-M", str(IPv4Network(f"0.0.0.0/{service.granularity}").netmask)]
    if service.engine:
        words += ["--pe", service.engine]
    if service.flags & Flags.ONE_PACKET:
        words.append("-o")
    if flags := [name for flag, name in _FLAGS.items() if service.flags & flag]:
        words += ["-b", ",".join(flags)]
    return " ".join(words)


def _reached(dest: Dest) -> str:
    words = [_WAYS[dest.forwarding], "-w", str(dest.weight)]
    if dest.upper:
        words += ["-x", str(dest.upper)]
    if dest.lower:
        words += ["-y", str(dest.lower)]
    if dest.forwarding is ipvs.Forwarding.TUN:
        tunnel, port, checksum = dest.encapsulation
        words += ["--tun-type", tunnel.name.lower()]
        words += ["--tun-port", str(port)] if tunnel is ipvs.Tunnel.GUE else []
        words += [_SUMS[checksum]] if tunnel is not ipvs.Tunnel.IPIP else []
    return " ".join(words)
