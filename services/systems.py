# SPDX-License-Identifier: Apache-2.0
"""The operating systems of real servers, as far as we know how they take packets for a VIP."""

from __future__ import annotations

from enum import StrEnum


class System(StrEnum):
    """A system, or one way to set it up; the value is what people type."""

    LINUX = "linux"
    """The VIP on the loopback, silent in ARP: the guide's method 2, the one it prefers."""
    LINUX_NFT = "linux-nft"
    """Packets for the VIP redirected by nftables: the guide's method 1."""
    LINUX_IPTABLES = "linux-iptables"
    """The same by iptables."""
    NETWORKD = "systemd-networkd"
    NETPLAN = "netplan"
    NETWORK_MANAGER = "networkmanager"
    FREEBSD = "freebsd"
    MACOS = "macos"
    SOLARIS = "solaris"
    SOLARIS_10 = "solaris-10"
    WINDOWS = "windows"
    WINDOWS_2008 = "windows-2008"
    WINDOWS_2003 = "windows-2003"
    WINDOWS_2000 = "windows-2000"


SYSTEM_NAMES: dict[System, str] = {
    System.LINUX: "Linux, VIP on the loopback (method 2)",
    System.LINUX_NFT: "Linux, redirected by nftables (method 1)",
    System.LINUX_IPTABLES: "Linux, redirected by iptables (method 1)",
    System.NETWORKD: "Linux with systemd-networkd",
    System.NETPLAN: "Linux with netplan (Ubuntu)",
    System.NETWORK_MANAGER: "Linux with NetworkManager",
    System.FREEBSD: "FreeBSD",
    System.MACOS: "macOS",
    System.SOLARIS: "Solaris 11",
    System.SOLARIS_10: "Solaris 10",
    System.WINDOWS: "Windows Server 2012 and later",
    System.WINDOWS_2008: "Windows Server 2008",
    System.WINDOWS_2003: "Windows Server 2003",
    System.WINDOWS_2000: "Windows Server 2000",
}
"""How to call each on a screen."""
