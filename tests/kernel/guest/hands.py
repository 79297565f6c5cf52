# SPDX-License-Identifier: Apache-2.0
"""A person's hands: ipvsadm and nft, other people's code for the same kernel."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Network

from services.plan.ipvs import (
    Checksum,
    Dest,
    DestKey,
    Flags,
    Forwarding,
    Protocol,
    Service,
    ServiceKey,
    Tunnel,
)
from services.plan.ipvs_changes import (
    DropDest,
    DropService,
    IpvsChange,
    PutDest,
    PutService,
    SetTimeouts,
)

_KINDS = {Protocol.TCP: "-t", Protocol.UDP: "-u", Protocol.SCTP: "--sctp-service"}
_WAYS = {Forwarding.NAT: "-m", Forwarding.DR: "-g", Forwarding.TUN: "-i"}
_SUMS = {
    Checksum.NONE: "--tun-nocsum",
    Checksum.FULL: "--tun-csum",
    Checksum.REMOTE: "--tun-remcsum",
}


def ipvsadm(*words: str, stdin: str = "") -> str:
    """Run ipvsadm, and return what it says."""
    done = subprocess.run(
        ["ipvsadm", *words], check=False, capture_output=True, text=True, input=stdin, timeout=60
    )
    assert done.returncode == 0, f"ipvsadm {' '.join(words)}: {done.stderr}"
    return done.stdout


def nft(rules: str) -> None:
    """Load rules of the firewall."""
    subprocess.run(["nft", "-f", "-"], check=True, text=True, input=rules, timeout=60)


def by_hand(change: IpvsChange) -> None:
    """Make a change as a person would."""
    ipvsadm(*argv(change))


def argv(change: IpvsChange) -> list[str]:
    """The words that tell ipvsadm of a change."""
    match change:
        case PutService():
            verb = "-E" if change.exists else "-A"
            return [verb, *_which(change.key), *_settings(change.service, change.key.version)]
        case PutDest():
            verb = "-e" if change.exists else "-a"
            return [verb, *_which(change.service), "-r", _socket(change.key), *_how(change.dest)]
        case DropDest():
            return ["-d", *_which(change.service), "-r", _socket(change.key)]
        case DropService():
            return ["-D", *_which(change.key)]
        case SetTimeouts():
            return ["--set", *(str(each) for each in change.timeouts)]


def _which(key: ServiceKey) -> list[str]:
    if key.protocol is Protocol.MARK:
        return ["-f", str(key.mark), *(["-6"] if key.version == 6 else [])]
    return [_KINDS[key.protocol], _socket(key)]


def _socket(key: ServiceKey | DestKey) -> str:
    address = f"[{key.address}]" if ":" in key.address else key.address
    return f"{address}:{key.port}"


def _settings(service: Service, version: int) -> list[str]:
    words = ["-s", service.scheduler]
    if service.persistence_s:
        mask = IPv4Network(f"0.0.0.0/{service.granularity}").netmask if version == 4 else None
        words += ["-p", str(service.persistence_s), "-M", str(mask or service.granularity)]
    if service.flags & Flags.ONE_PACKET:
        words.append("-o")
    named = {Flags.FALLBACK: "flag-1", Flags.PORT: "flag-2", Flags.THIRD: "flag-3"}
    chosen = [name for flag, name in named.items() if service.flags & flag]
    return [*words, *(["-b", ",".join(chosen)] if chosen else [])]


def _how(dest: Dest) -> list[str]:
    words = [_WAYS[dest.forwarding], "-w", str(dest.weight)]
    words += ["-x", str(dest.upper), "-y", str(dest.lower)]
    tunnel, port, checksum = dest.encapsulation
    if dest.forwarding is Forwarding.TUN and tunnel is not Tunnel.IPIP:
        words += ["--tun-type", tunnel.name.lower(), _SUMS[checksum]]
        words += ["--tun-port", str(port)] if tunnel is Tunnel.GUE else []
    return words
