# SPDX-License-Identifier: Apache-2.0
"""What the image promises: the one place for its names, versions, sizes, identifiers and modes.

The build reads it to make the image and `image.verify` reads it to judge what was made. Nothing
here is random or secret: two builds from the same inputs are the same bytes, and what must
differ between two appliances (keys, machine id, passwords) is made by the appliance itself.
"""

from __future__ import annotations

import importlib.metadata
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image.roottar import Tidying

TREE = Path(__file__).resolve().parent.parent
"""The checkout the image is built from."""
ELEMENTS = TREE / "image" / "elements"
OVERLAYS = TREE / "overlays"
PRODUCTS = TREE / "build" / "image"
"""Where what was built lies; not in git."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ballast"
"""Packages by hash and built roots; may be removed at any time."""

NAME = "ballast"
SUITE = "trixie"
DEBIAN = "13"
ARCH = "amd64"
PYTHON = "3.13"
"""The image's Python, for which the wheels are fetched."""

EPOCH = 1_782_864_000
"""2026-07-01 00:00 UTC: the time that every file of the image bears, unless SOURCE_DATE_EPOCH says
another. A constant, since the clock of the machine that builds must not show in the result."""


def version() -> str:
    """The product's version."""
    return importlib.metadata.version(NAME)


def source_date_epoch(environment: Mapping[str, str] = os.environ) -> int:
    """Seconds since 1970 that stand for "now" throughout the build."""
    return int(environment.get("SOURCE_DATE_EPOCH") or EPOCH)


# ------------------------------------------------------------------------------------------- disk

_NAMESPACE = uuid.UUID("6f0a6a6e-5bd0-5b0c-9a4c-8a1f6d6c7f51")


def identifier(what: str) -> uuid.UUID:
    """The fixed UUID of a part of the image, the same in every build."""
    return uuid.uuid5(_NAMESPACE, what)


@dataclass(frozen=True)
class Partition:
    """One partition of the disk, as the GPT names it."""

    number: int
    label: str
    size_mib: int
    """0: the rest of the disk."""
    kind: uuid.UUID
    """The GPT's type."""

    @property
    def uuid(self) -> uuid.UUID:
        """The partition's own identifier."""
        return identifier(f"partition/{self.label}")


BIOS_BOOT = Partition(1, "bios", 1, uuid.UUID("21686148-6449-6e6f-744e-656564454649"))
ESP = Partition(2, "esp", 128, uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"))
_ROOT = uuid.UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")
ROOT_A = Partition(3, "root-a", 2048, _ROOT)
ROOT_B = Partition(4, "root-b", 2048, _ROOT)
DATA = Partition(5, "data", 0, uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4"))
PARTITIONS = (BIOS_BOOT, ESP, ROOT_A, ROOT_B, DATA)

DISK_MIB = 8 * 1024
"""The smallest disk the appliance runs on, and the size of the images."""
ESP_LABEL = "ESP"
DATA_LABEL = "ballast-data"
"""Label of the data partition's file system; the initramfs looks for it."""
DISK_UUID = identifier("disk")
ESP_SERIAL = 0xBA11A57A
"""The FAT's volume id."""
MEDIUM_SERIAL = 0xBA11A57B
"""The same of the installer medium's EFI partition: a machine may see both at once."""

KERNEL_OPTIONS = (
    *("panic=10", "quiet", "loglevel=1", "vt.global_cursor_default=0", "consoleblank=0"),
    *("net.ifnames=0", "systemd.condition_needs_update=0"),
)
"""Beside what GRUB says of the slot. Nothing of the kernel appears over the status screen, and a
boot that fails starts again by itself, so that GRUB can count it."""

BOOT_PACKAGES = ("grub-efi-amd64-bin", "grub-efi-amd64-signed", "grub-pc-bin", "shim-signed")
"""Boot loaders: fetched and listed with the others, taken apart for the disk, not in the root."""

VMDK_CID = 0xBA11A57
"""The VMDK's content identifier, which qemu-img would draw by lot."""


@dataclass(frozen=True)
class VirtualMachine:
    """The virtual appliance as hypervisors make it."""

    product: str
    cpus: int
    memory_mib: int
    nics: int
    """Of which only the first is connected when it is switched on."""


VA = VirtualMachine("Ballast load balancer", cpus=1, memory_mib=2048, nics=4)

# --------------------------------------------------------------------------------------- accounts

PRODUCT_HOME = "/usr/lib/ballast"
"""The product's virtual environment inside the image."""
LOGIN_SHELL = "/usr/libexec/ballast/shell"
NO_SHELL = "/usr/sbin/nologin"


@dataclass(frozen=True)
class Group:
    """A group with a fixed id: files on the data partition outlive any image."""

    name: str
    gid: int


@dataclass(frozen=True)
class System:
    """The account of a daemon, with a group of the same id."""

    name: str
    id: int
    home: str = "/nonexistent"
    group: str = ""
    """The group's name where it is not the account's."""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Person:
    """An account as the guide has it, whose password everybody knows until it is changed."""

    name: str
    id: int
    home: str
    shell: str
    groups: tuple[str, ...]
    password: str
    """As crypt(5) has it. No secret: the guide prints the word behind it."""


FACTORY_GROUP = "ballast-factory"
"""Accounts that still have the password everybody knows; sshd refuses its members."""

_LOADBALANCER = (
    "$6$ballast$Fi/TEv2eE/kolwhkDDjI0ma4vtmZRYEnSLeUmzjoq.5"
    "KyctZcK.66SpLU32w1BzPdJnQF3RbOS.NJXizhoXeY/"
)
_SETUP = (
    "$6$ballast$sO6toajnpOmnl1ycVIM8JaEtAGDCYbCRfM84Wb8TFnH"
    "FD3r6ZCT46RFtrylTbcVH/amLxB0U1ZwHzXna8m11u/"
)

PEOPLE = (
    Person("root", 0, "/root", "/bin/bash", (FACTORY_GROUP,), _LOADBALANCER),
    Person(
        "loadbalancer",
        1000,
        "/home/loadbalancer",
        LOGIN_SHELL,
        ("ballast", "ballast-admin", FACTORY_GROUP),
        _LOADBALANCER,
    ),
    Person(
        "setup",
        1001,
        "/home/setup",
        LOGIN_SHELL,
        ("ballast", "ballast-setup", FACTORY_GROUP),
        _SETUP,
    ),
)

GROUPS = (
    Group("ballast", 900),
    Group("ballast-admin", 901),
    Group("ballast-operator", 902),
    Group("ballast-viewer", 903),
    Group("ballast-setup", 904),
    Group(FACTORY_GROUP, 905),
)
"""Ours: who may open the agent's socket, the roles, the accounts with a factory password."""

SYSTEM = (
    # The status screen: it may look, and shows what it sees to everybody who passes by.
    System("ballast-screen", 910, groups=("ballast", "ballast-viewer")),
    System("ballast-probe", 911),
    # As Debian's packages would make them, but with ids that depend on nothing.
    System("systemd-network", 920, "/"),
    System("messagebus", 921),
    System("sshd", 922, "/run/sshd"),
    System("haproxy", 923, "/var/lib/haproxy"),
    System("stunnel4", 924, "/var/run/stunnel4"),
    System("_pound", 925),
    System("hacluster", 926, "/var/lib/pacemaker", group="haclient"),
    System("_chrony", 927, "/var/lib/chrony"),
    System("Debian-snmp", 928, "/var/lib/snmp"),
    System("tcpdump", 929),
)

BARE_GROUPS = (
    Group("systemd-journal", 940),
    Group("input", 941),
    Group("sgx", 942),
    Group("clock", 943),
    Group("kvm", 944),
    Group("render", 945),
    Group("_ssh", 946),
)
"""Groups of packages without an account."""

HIGHEST_FIXED_ID = 949
"""Between 100 and 999, ids above this are left to what a later package may bring."""

# ------------------------------------------------------------------------------------------ files

SETUID = (
    "usr/bin/passwd",
    "usr/lib/dbus-1.0/dbus-daemon-launch-helper",
    "usr/sbin/unix_chkpwd",
)
"""Every program that runs with more than its caller's rights; a new one is a decision."""

MODES: dict[str, int] = {
    # Nobody but root has a shell to call these from, and root needs no help.
    f"usr/bin/{name}": 0o755
    for name in (
        *("chage", "chfn", "chsh", "cl_status", "expiry", "gpasswd", "mount", "newgrp"),
        *("ssh-agent", "su", "umount"),
    )
} | {"usr/lib/openssh/ssh-keysign": 0o755}
"""Names in the image → modes that differ from the packages' or from git's 0644 and 0755."""

TIDYING = Tidying(
    emptied=("dev", "proc", "run", "sys", "tmp", "mnt", "media", "srv", "opt", "lost+found"),
    without_files=("var/log", "var/cache", "var/backups", "var/spool", "usr/local"),
    dropped=(
        # Secrets and identities, which each appliance makes for itself.
        "etc/ssh/ssh_host_*",
        "var/lib/systemd/random-seed",
        "var/lib/dbus/machine-id",
        # What the build has left.
        "boot/*.old",
        "etc/.pwd.lock",
        "etc/apt/apt.conf.d/*",
        "etc/dib-manifests",
        "etc/group-",
        "etc/gshadow-",
        "etc/passwd-",
        "etc/shadow-",
        "etc/subgid-",
        "etc/subuid-",
        "etc/systemd/user/*",
        "etc/update-motd.d/*",
        "lib/diskimage-builder",
        "usr/lib/diskimage-builder",
        "usr/lib/dracut",
        "var/cache/apt/*",
        "var/lib/apt/*",
        "var/lib/dpkg/*-old",
        "var/lib/dpkg/lock*",
        "var/lib/dpkg/triggers/Lock",
        "var/lib/initramfs-tools",
        "var/lib/systemd/deb-systemd-helper-enabled",
        "var/lib/systemd/deb-systemd-helper-masked",
        "var/lib/ucf/cache",
        "vmlinuz",
        "vmlinuz.old",
        "initrd.img",
        "initrd.img.old",
        "lost+found",
    ),
    written={
        # diskimage-builder writes these three at its end, for machines that are not this one.
        "etc/fstab": b"# The initramfs mounts the root, the data partition and the overlays.\n",
        "etc/resolv.conf": b"",
        # Empty: the machine makes its own at its first start (machine-id(5)).
        "etc/machine-id": b"",
    },
    folders={"proc": 0o555, "sys": 0o555, "dev": 0o755, "data": 0o755, "efi": 0o700},
    modes=MODES,
)

PROMISED = {
    "boot/vmlinuz-*": "the kernel",
    "boot/initrd.img-*": "its initramfs",
    "usr/bin/ballast": "the command line",
    "usr/bin/ballast-console": "the console",
    "usr/libexec/ballast/agent": "the agent",
    "usr/libexec/ballast/probe": "health checks that HAProxy cannot do",
    "usr/libexec/ballast/shell": "the accounts' login shell",
    "usr/libexec/ballast/tty": "the machine's own screen",
    "usr/libexec/ballast/factory-password-changed": "PAM's step",
    "usr/lib/modules/*/kernel/net/netfilter/ipvs/ip_vs.ko.xz": "layer 4",
    "usr/lib/modules/*/kernel/drivers/net/ethernet/broadcom/bnx2x/bnx2x.ko.xz": "Dell's cards",
    "usr/lib/modules/*/kernel/drivers/net/ethernet/intel/ixgbe/ixgbe.ko.xz": "Intel's cards",
    "usr/lib/modules/*/kernel/drivers/net/vmxnet3/vmxnet3.ko.xz": "VMware's cards",
    "usr/lib/firmware/bnx2x/*": "firmware of Broadcom's cards",
    "usr/lib/firmware/tigon/*": "firmware of tg3",
    "usr/sbin/haproxy": "layer 7",
    "usr/share/consolefonts/Lat15-Terminus16.psf.gz": "the console's font",
    "usr/lib/sysctl.d/60-ballast.conf": "the kernel's settings",
    "usr/lib/modprobe.d/ballast.conf": "the size of the table of connections",
}
"""Names or patterns that must be there, and what would be missing without them."""

SSHD = (
    "DenyGroups ballast-factory",
    "PermitRootLogin no",
    "DisableForwarding yes",
    "PermitUserEnvironment no",
    "PermitUserRC no",
    "AcceptEnv LANG LC_*",
    "UsePAM yes",
)

ENABLED = (
    "ballast-agent.service",
    "ballast-boot-good.path",
    "ballast-firstboot.service",
    "ballast-names.service",
    "ballast-prepared.service",
    "ballast-slot-copy.service",
    "efi.automount",
    "fstrim.timer",
    "keyboard-setup.service",
    "open-vm-tools.service",
    "ssh.service",
    "systemd-pstore.service",
)
"""Every unit that starts with the machine by a link in /etc; of these only SSH listens."""
