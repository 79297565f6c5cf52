# SPDX-License-Identifier: Apache-2.0
"""Cables, one bridge, addresses and kernel settings of a lab.

What is to be done is text for `ip -batch`, which a person can read and paste; one process
per namespace does it all in a few milliseconds, and the first process of the lab needs no
netlink library.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.errors import CommandFailed
from tests.lab.kernel import Namespace
from tests.lab.layout import BRIDGE, GATEWAY, Layout, Node


def switch_batch(layout: Layout, nets: Mapping[str, int]) -> str:
    """The bridge and every cable; `nets` has the open network namespace of each node."""
    lines = [
        f"link add {BRIDGE} type bridge mcast_snooping 0",
        "link set lo up",
        f"link set {BRIDGE} up",
        *(f"addr add {address} dev {BRIDGE} {_nodad(address)}" for address in GATEWAY),
    ]
    for node in layout.nodes:
        for link in node.links:
            there = f"peer name {link.name} netns /proc/self/fd/{nets[node.name]}"
            lines.append(f"link add {link.cable} type veth {there}")
            if link.bridged:
                lines.append(f"link set {link.cable} master {BRIDGE}")
            lines.append(f"link set {link.cable} up")
    return "\n".join(lines) + "\n"


def node_batch(node: Node) -> str:
    """What a machine of the lab does to its own cards."""
    lines = ["link set lo up", *(f"addr add {address} dev lo" for address in node.loopback)]
    for link in node.links:
        lines.append(f"link set {link.name} up")
        lines += [f"addr add {one} dev {link.name} {_nodad(one)}" for one in link.addresses]
    return "\n".join(lines) + "\n"


def _nodad(address: str) -> str:
    # nobody else can have it, and a second of waiting for the proof is a second of start-up
    return "nodad" if ":" in address else ""


def build(layout: Layout, namespaces: Mapping[str, Namespace]) -> None:
    """Do all of it from inside the namespace that gets the bridge.

    Raises `CommandFailed` when `ip` is missing or refuses a line, `OSError` when the kernel
    lacks a setting.
    """
    nets = {name: space.net for name, space in namespaces.items()}
    _ip(switch_batch(layout, nets), keep=tuple(nets.values()))
    for node in layout.nodes:
        with namespaces[node.name].network():
            for path, value in node.sysctls.items():
                Path("/proc/sys", path).write_text(value)
            _ip(node_batch(node))


def _ip(batch: str, keep: Sequence[int] = ()) -> None:
    argv = ["ip", "-batch", "-"]
    try:
        done = subprocess.run(
            argv,
            input=batch,
            text=True,
            capture_output=True,
            timeout=30,
            check=False,
            pass_fds=keep,
        )
    except FileNotFoundError as error:
        raise CommandFailed(argv, "is not installed", "", do="Install iproute2.") from error
    if done.returncode != 0:
        raise CommandFailed(
            argv,
            f"failed with status {done.returncode}",
            done.stderr,
            do="See that this kernel has veth and bridge interfaces.",
        )
