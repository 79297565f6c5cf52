# SPDX-License-Identifier: Apache-2.0
"""GRUB for both firmwares, with one configuration on the EFI system partition.

UEFI starts Debian's signed shim and GRUB. A BIOS starts a core made here, which lies in a
partition of its own. Both read grub.cfg and grubenv beside it. The variables in grubenv are
those of RAUC, so that it can choose a slot: ORDER, and for each slot OK and TRY. TRY counts the
starts of a slot that nobody has called good yet; after `TRIES` it is given up for the other.

A kernel that is not as shipped is seen before it is started: by its hash, which Secure Boot does
not allow GRUB to take, but there the kernel's signature is verified. Everything else of a slot
is judged by dm-verity, which ends in a reboot and so in one more TRY.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from image.disk.layout import SECTOR
from image.disk.slot import Slot
from image.recipe import DATA, ESP, KERNEL_OPTIONS, ROOT_A, ROOT_B
from image.toolbox import Toolbox
from services.errors import Refused

FOLDER = "EFI/debian"
"""Where Debian's signed GRUB looks for its configuration."""
TRIES = 3
"""A person may interrupt two starts in a row without getting the other slot."""

CORE_MODULES = (
    *("biosdisk", "part_gpt", "fat", "ext2", "normal", "configfile", "minicmd", "echo", "test"),
    *("regexp", "sleep", "loadenv", "linux", "boot", "reboot", "true"),
    *("crypto", "gcry_sha256", "hashsum"),
)

ENVIRONMENT = {"ORDER": "A B", "A_OK": "1", "A_TRY": "0", "B_OK": "0", "B_TRY": "0"}
_ENV_SIZE = 1024


def environment_block(variables: dict[str, str]) -> bytes:
    """A grubenv: GRUB writes it in place, so its size never changes."""
    text = "# GRUB Environment Block\n"
    text += "".join(f"{name}={value}\n" for name, value in variables.items())
    return text.encode().ljust(_ENV_SIZE, b"#")


def slot_cfg(slot: Slot) -> str:
    """What belongs to the content of a slot, wherever it lies: a copy of the slot copies it."""
    return (
        f"set roothash={slot.roothash}\n"
        f"set hashoffset={slot.hashoffset}\n"
        f"set size={slot.size}\n"
        f"set kernel={slot.kernel}\n"
        f"set initrd={slot.initrd}\n"
        f'set options="{" ".join(KERNEL_OPTIONS)}"\n'
    )


def slot_sum(slot: Slot, root: Path) -> str:
    """The hashes of what GRUB loads, as sha256sum writes them."""
    lines = []
    for name in (slot.kernel, slot.initrd):
        with (root / name.lstrip("/")).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines)


def grub_cfg() -> str:
    """The configuration: choose a slot, count the try, start it; otherwise the other."""
    return f"""\
# SPDX-License-Identifier: Apache-2.0
# Made by image/disk/grub.py, which says why.

load_env
regexp --set=1:disk '^([^,]+),' "$root"

if [ "$grub_platform" = pc ]; then
    set hashes=1
elif [ "$lockdown" != y ]; then
    if insmod hashsum; then set hashes=1; fi
fi

# start NUMBER PARTUUID: comes back only when slot $slot cannot be started.
function start {{
    if [ ! -f "$prefix/slot-$slot.cfg" ]; then return 1; fi
    source "$prefix/slot-$slot.cfg"
    set device="($disk,gpt$1)"
    if [ "$hashes" = 1 ]; then
        if hashsum --hash sha256 --check "$prefix/slot-$slot.sum" --prefix "$device"
        then true
        else return 1
        fi
    fi
    set factory=""
    if [ "$FACTORY" = 1 ]; then set factory="ballast.factory=1"; fi
    if linux "$device$kernel" boot=ballast root=PARTUUID=$2 ro ballast.slot=$slot \\
        ballast.roothash=$roothash ballast.hashoffset=$hashoffset \\
        ballast.data={DATA.uuid} ballast.esp={ESP.uuid} $factory $options $EXTRA
    then
        if initrd "$device$initrd"; then boot; fi
    fi
    return 1
}}

function start_a {{
    set slot=a
    start {ROOT_A.number} {ROOT_A.uuid}
}}

function start_b {{
    set slot=b
    start {ROOT_B.number} {ROOT_B.uuid}
}}

# The next number, up to the one that means given up.
function count {{
    if [ "$try" = 0 ]; then set try=1; elif [ "$try" = 1 ]; then set try=2; else set try={TRIES}; fi
}}

function choose {{
    for each in $ORDER; do
        if [ "$each" = A -a "$A_OK" = 1 -a "$A_TRY" != {TRIES} ]; then
            set try="$A_TRY"; count; set A_TRY="$try"; save_env A_TRY
            start_a
            set A_TRY={TRIES}; save_env A_TRY
        elif [ "$each" = B -a "$B_OK" = 1 -a "$B_TRY" != {TRIES} ]; then
            set try="$B_TRY"; count; set B_TRY="$try"; save_env B_TRY
            start_b
            set B_TRY={TRIES}; save_env B_TRY
        fi
    done
}}

# When every slot was given up, each gets another chance: a wrong count must not keep an appliance
# down.
function start_any {{
    choose
    set A_TRY=0
    set B_TRY=0
    save_env A_TRY B_TRY
    choose
    echo "No slot of this appliance can be started. Write the image to the disk again."
    sleep 60
    reboot
}}

echo "Ballast. Press Esc for other ways to start."
if sleep --interruptible 1; then start_any; fi

# An empty list: nobody edits entries or gets GRUB's command line.
set superusers=""
export superusers
set timeout=60
menuentry "Start" --unrestricted {{ start_any }}
menuentry "Start from slot A" --unrestricted {{ start_a }}
menuentry "Start from slot B" --unrestricted {{ start_b }}
menuentry "Factory defaults: erase everything that was configured" --unrestricted {{
    set FACTORY=1
    start_any
}}
"""


async def core_image(toolbox: Toolbox, target: Path) -> None:
    """The core for a BIOS; it looks for its configuration on the disk it was started from."""
    modules = toolbox.boot_file("usr/lib/grub/i386-pc")
    await toolbox.run(
        "usr/bin/grub-mkimage",
        *("-O", "i386-pc", "-d", modules, "-p", f"(,gpt{ESP.number})/{FOLDER}", "-o", target),
        *CORE_MODULES,
        package="grub-common",
    )


def place_core(core: bytes, *, sector: int, room: int) -> bytes:
    """The core with its block list saying where it lies: `sector` and the ones that follow."""
    if len(core) > room:
        raise Refused(
            f"GRUB's core has {len(core)} bytes and its partition {room}.",
            do="Take modules out of it, or give the partition more in the recipe.",
        )
    count = -(-len(core) // SECTOR)
    placed = bytearray(core.ljust(count * SECTOR, b"\0"))
    # The first sector loads the others: from where, how many, to which segment of memory.
    struct.pack_into("<QHH", placed, SECTOR - 12, sector + 1, count - 1, 0x820)
    return bytes(placed)


def boot_sector(boot_img: bytes, *, sector: int) -> bytes:
    """The first 440 bytes of the disk: load `sector` of the disk this came from, and jump."""
    code = bytearray(boot_img[:440])
    struct.pack_into("<Q", code, 0x5C, sector)
    code[0x64] = 0xFF
    # As grub-install does for a hard disk: the drive number the BIOS gave is to be believed.
    code[0x66:0x68] = b"\x90\x90"
    return bytes(code)
