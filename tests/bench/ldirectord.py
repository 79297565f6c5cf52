# SPDX-License-Identifier: Apache-2.0
"""A real ldirectord beside ours: the same servers, the same times, the same moment.

It writes the kernel's table by running ipvsadm, so in its own mount table that is a script which
answers from a file and writes down what it is told, and when. As in ours, all servers are in the
table when it starts; that one fails is a weight of 0, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.farm import Farm, Shape, Weight, now, told
from tests.bench.fleets import WEB_PORT

PROGRAM = "/usr/sbin/ldirectord"
IPVSADM = "/sbin/ipvsadm"
"""It looks there first, and not into PATH."""

WEIGHT = 100

IN_THE_PLACE_OF_IPVSADM = """\
#!/bin/sh
cd '{folder}' || exit 1
case "$*" in
    *--thresholds*) exec cat thresholds ;;
    -L*) exec cat table ;;
    -E*) exit 0 ;;  # the service as it is
    -e*) ;;
    *) echo "ipvsadm: nobody expected $*" >&2; exit 2 ;;
esac
read -r at _ </proc/uptime
while [ $# -gt 1 ]; do
    case $1 in
        -r) server=$2 ;;
        -w) weight=$2 ;;
    esac
    shift
done
echo "$at ${{server%:*}} $weight" >>writes
exec flock lock sed -i "s/^\\(  -> $server Masq \\)[0-9]*/\\1$weight/" table
"""


def config(shape: Shape, *, fork: bool) -> str:
    """Its file: what the shape says, and a weight of 0 for who fails."""
    lines = [
        f"checktimeout = {shape.timeout_s}",
        f"checkinterval = {shape.interval_s}",
        f"failurecount = {shape.fall}",
        "quiescent = yes",
        "supervised = yes",
        f"fork = {'yes' if fork else 'no'}",
    ]
    for number, vip in enumerate(shape.vips):
        lines += [
            f"virtual = {vip}:{WEB_PORT}",
            *(f"\treal = {each}:{WEB_PORT} masq {WEIGHT}" for each in shape.addresses(number)),
            "\tservice = none",
            "\tscheduler = wlc",
            "\tprotocol = tcp",
            "\tchecktype = connect",
        ]
    return "\n".join(lines) + "\n"


def listed(shape: Shape, columns: Sequence[str]) -> str:
    """The table as `ipvsadm -L -n` prints it; `columns` follow each server's address."""
    lines = ["IP Virtual Server version 1.2.1 (size=4096)", "Prot", "  ->"]
    for number, vip in enumerate(shape.vips):
        lines.append(f"TCP {vip}:{WEB_PORT} wlc")
        lines += [
            " ".join(("  ->", f"{each}:{WEB_PORT}", *columns)) for each in shape.addresses(number)
        ]
    return "\n".join(lines) + "\n"


class Ldirectord:
    """A running one."""

    def __init__(self, folder: Path, begun: float) -> None:
        self._folder = folder
        self.begun = begun
        """When it was started."""

    @property
    def weights(self) -> list[Weight]:
        """All writes to its table so far."""
        return told(self._folder / "writes")

    @property
    def words(self) -> str:
        """The end of what it has said; Perl's complaints about it are left out."""
        lines = (self._folder / "said").read_text(errors="replace").splitlines()
        return " ".join([line for line in lines if not line.startswith("Use of")][-3:])


@contextmanager
def ldirectord(farm: Farm, shape: Shape, *, fork: bool) -> Iterator[Ldirectord]:
    """One that looks after these servers, on the appliance; it ends at the end."""
    folder = farm.folder / f"ldirectord-{'fork' if fork else 'plain'}"
    folder.mkdir()
    (folder / "table").write_text(listed(shape, ("Masq", str(WEIGHT), "0", "0")))
    (folder / "thresholds").write_text(listed(shape, ("0", "0", "0", "0")))
    ipvsadm = folder / "ipvsadm"
    ipvsadm.write_text(IN_THE_PLACE_OF_IPVSADM.format(folder=folder))
    ipvsadm.chmod(0o755)
    file = folder / "ldirectord.cf"
    file.write_text(config(shape, fork=fork))
    script = f'mount --bind "$1" {IPVSADM} && exec {PROGRAM} "$2" start'
    begun = now()
    process = farm.appliance.spawn(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(ipvsadm), str(file)],
        log=folder / "said",
    )
    try:
        yield Ldirectord(folder, begun)
    finally:
        process.kill()
