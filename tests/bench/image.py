# SPDX-License-Identifier: Apache-2.0
"""image.boot.*, image.rss.mb, image.ports, image.ova.mb: the virtual appliance, switched on.

Both sides of the ratio are the same disk, kernel and packages on the same emulated machine of two
processors. The peer has every unit of ours masked and a getty on its screen: the clock stops at
its login prompt, and at our status screen with its figures, for which the agent must have brought
the network up. They take turns, the power of both is cut, after a first start that has made keys
and filled the second slot.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from image import guest_disk, recipe
from image.disk import assembly
from image.formats.products import make
from image.root import build
from tests.bench.results import Formula, Result
from tests.image.unit import FACTORY, PAINT_S, Unit
from tests.netns import inside

TURNS = 3
CHOSEN = "Correct-Horse-7"
MIB = 1 << 20
COPY_S = 600
ALL_S = 2400
OURS = ("agent", "firstboot", "haproxy", "login", "names", "prepared", "slot-copy", "tty")
PLAIN = " ".join(
    [*(f"systemd.mask=ballast-{name}.service" for name in OURS), "systemd.wants=getty@tty1.service"]
)


def measure() -> Sequence[Result]:
    """Build what is not built yet, start it, and take turns."""
    ova, disk, archive = asyncio.run(_built())
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as work:
        told = inside(_boots, disk, archive, Path(work), timeout_s=ALL_S)
    ours, peer, memory_mib, ports = told
    note = "to the status screen with its figures; the peer to a getty's login prompt"
    return [
        Result("image.ova.mb", Formula.MEDIAN, [ova.stat().st_size / 1_000_000]),
        Result("image.boot.ratio", Formula.OURS_TO_PEER, ours, peer, samples_unit="s", note=note),
        Result("image.boot.s", Formula.MEDIAN, ours, note="emulated processors (TCG)"),
        Result("image.rss.mb", Formula.MEDIAN, [memory_mib * MIB / 1_000_000]),
        Result("image.ports", Formula.SUM, [len(ports - {22})], beside={"ports": sorted(ports)}),
    ]


async def _built() -> tuple[Path, Path, Path]:
    root = await build()
    disk = await assembly.build(root.archive, recipe.PRODUCTS, boot_debs=root.boot_debs)
    made = await make(disk, recipe.PRODUCTS)
    return next(path for path in made if path.suffix == ".ova"), disk, root.archive


def _boots(
    disk: Path, archive: Path, folder: Path
) -> tuple[list[float], list[float], float, set[int]]:
    settled, whole, plain = (folder / f"{name}.qcow2" for name in ("settled", "whole", "plain"))
    asyncio.run(guest_disk.overlay(disk, settled))
    with Unit(settled, folder, archive) as unit:
        unit.see_status()
        unit.root_shell(CHOSEN, first=True)
        unit.shell(
            "until systemctl is-active -q ballast-slot-copy; do sleep 1; done", within_s=COPY_S
        )
        listening = unit.shell("ss -Hltun | awk '{print $5}'").split()
        unit.switch_off()
    # nobody writes to the one below from here on
    for disk_of_one_side in (whole, plain):
        asyncio.run(guest_disk.overlay(settled, disk_of_one_side))
    asyncio.run(guest_disk.set_grub_variables(plain, {"EXTRA": PLAIN}))
    ours, peer, memory = [], [], 0.0
    for _ in range(TURNS):
        with Unit(whole, folder, archive) as unit:
            ours.append(unit.see_status(FACTORY))
            unit.root_shell(CHOSEN, first=False)
            memory = max(memory, float(unit.shell("free -m | awk '/^Mem/ {print $3}'")))
        with Unit(plain, folder, archive) as unit:
            unit.see("login:", within_s=PAINT_S)
            peer.append(unit.since_power_on())
    return ours, peer, memory, {int(line.rpartition(":")[2]) for line in listening}
