# SPDX-License-Identifier: Apache-2.0
"""How the medium starts: GRUB for a BIOS and, signed by Debian, for UEFI with Secure Boot.

There is nothing to choose, so there is no menu: GRUB finds the medium by the name of a file that no
other medium has, looks whether the kernel is whole where it may, and starts it.
"""

from __future__ import annotations

from pathlib import Path

from image.toolbox import Toolbox

FOLDER = "boot/grub"
"""Where Debian's GRUB for CDs looks, whichever firmware has started it."""
CORE = f"{FOLDER}/eltorito.img"
CORE_MODULES = (
    *("biosdisk", "iso9660", "part_gpt", "part_msdos", "normal", "configfile", "minicmd"),
    *("echo", "test", "sleep", "linux", "boot", "reboot", "search", "search_fs_file", "true"),
    *("crypto", "gcry_sha256", "hashsum"),
)
KERNEL, INITRD, INSTALLER = "ballast/vmlinuz", "ballast/initrd.img", "ballast/installer.img"
SUMS = "ballast/SHA256SUMS"
"""Of these three: what a firmware loads before anything else can look."""
OPTIONS = (
    *("boot=installer", "console=ttyS0,115200", "console=tty0", "quiet", "loglevel=1"),
    *("vt.global_cursor_default=0", "consoleblank=0"),
)
"""Both consoles, for the kernel's last words; the installer opens every terminal by itself."""


def mark(identity: str) -> str:
    """The file by which GRUB knows the medium."""
    return f"ballast/{identity[:32].lower()}"


def grub_cfg(identity: str) -> str:
    """The configuration, on the medium and beside the EFI loaders alike."""
    return f"""\
# SPDX-License-Identifier: Apache-2.0
# Made by image/medium/boot.py, which says why.

# An empty list: nobody gets GRUB's command line.
set superusers=""
export superusers

echo "Ballast installer. This takes a moment ..."
if search --no-floppy --file --set=root /{mark(identity)}; then true; fi
set whole=1
if [ "$grub_platform" = pc ]; then
    if hashsum --hash sha256 --check /{SUMS}; then true; else set whole=0; fi
fi
if [ "$whole" = 1 ]; then
    if linux /{KERNEL} {" ".join(OPTIONS)}; then
        if initrd /{INITRD} /{INSTALLER}; then boot; fi
    fi
fi
echo "The medium is damaged. Compare the download with its SHA256SUMS, and write the medium again."
sleep 60
reboot
"""


def efi_files(toolbox: Toolbox, identity: str) -> dict[str, bytes]:
    """Name on the EFI partition → bytes."""
    signed = toolbox.boot_file("usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed")
    shim = toolbox.boot_file("usr/lib/shim/shimx64.efi.signed")
    return {
        "EFI/BOOT/BOOTX64.EFI": shim.read_bytes(),
        "EFI/BOOT/grubx64.efi": signed.read_bytes(),
        f"{FOLDER}/grub.cfg": grub_cfg(identity).encode(),
    }


async def core_image(toolbox: Toolbox, target: Path) -> None:
    """GRUB for a BIOS that starts from a CD; on a stick, `boot_hybrid` loads the same."""
    modules = toolbox.boot_file("usr/lib/grub/i386-pc")
    await toolbox.run(
        "usr/bin/grub-mkimage",
        *("-O", "i386-pc-eltorito", "-d", modules, "-p", f"/{FOLDER}", "-o", target),
        *CORE_MODULES,
        package="grub-common",
    )


def boot_hybrid(toolbox: Toolbox) -> Path:
    """The first sector of a stick."""
    return toolbox.boot_file("usr/lib/grub/i386-pc/boot_hybrid.img")
