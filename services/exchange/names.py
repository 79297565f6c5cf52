# SPDX-License-Identifier: Apache-2.0
"""Addresses and ports as other programs write them, and labels for services that have none.

Port names are those of services(5) that are balanced; a name of a host is never looked up,
because a configuration must not depend on who answers at the moment of reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from types import MappingProxyType

from services.model.base import Address, cleaned

PORTS = MappingProxyType(
    {
        "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "mail": 25, "time": 37,
        "whois": 43, "tacacs": 49, "domain": 53, "tftp": 69, "gopher": 70, "finger": 79,
        "http": 80, "www": 80, "kerberos": 88, "pop3": 110, "sunrpc": 111, "nntp": 119,
        "ntp": 123, "imap2": 143, "imap": 143, "snmp": 161, "snmp-trap": 162, "ldap": 389,
        "https": 443, "submissions": 465, "ssmtp": 465, "smtps": 465, "syslog": 514,
        "printer": 515, "submission": 587, "ldaps": 636, "domain-s": 853, "rsync": 873,
        "ftps-data": 989, "ftps": 990, "imaps": 993, "pop3s": 995, "socks": 1080,
        "openvpn": 1194, "ms-sql-s": 1433, "ms-sql-m": 1434, "radius": 1812,
        "radius-acct": 1813, "nfs": 2049, "squid": 3128, "mysql": 3306,
        "ms-wbt-server": 3389, "sip": 5060, "sip-tls": 5061, "xmpp-client": 5222,
        "postgresql": 5432, "amqp": 5672, "redis": 6379, "http-alt": 8080,
    }
)  # fmt: skip
"""Port numbers by the names of Debian's /etc/services, and by ldirectord's own aliases."""

LONGEST_LABEL = 63


class Unread(Exception):
    """A word that is not what it should be; the message says what it is."""


def address_of(word: str) -> Address:
    """An address without its port, brackets allowed; raises `Unread`."""
    bare = word[1:-1] if word.startswith("[") and word.endswith("]") else word
    try:
        return ip_address(bare)
    except ValueError:
        raise Unread(
            f"`{cleaned(word, 40)}` is no IP address, and names of hosts are not looked up."
        ) from None


def port_of(word: str) -> int:
    """A port by number or name, 0 for none; raises `Unread`."""
    if word in PORTS:
        return PORTS[word]
    if not re.fullmatch(r"[0-9]{1,5}", word, re.ASCII) or int(word) > 65535:
        raise Unread(f"`{cleaned(word, 40)}` is no port that is known.")
    return int(word)


def socket_of(word: str) -> tuple[Address, int]:
    """`192.0.2.1:80`, `[2001:db8::1]:http` or an address alone; raises `Unread`."""
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([^:\[\]]+))?", word)
    if found is None:
        return address_of(word), 0  # IPv6 without brackets has no port
    return address_of(found[1]), port_of(found[2] or "0")


def number_of(word: str) -> int:
    """A whole number without a sign; raises `Unread`."""
    if not re.fullmatch(r"[0-9]{1,12}", word, re.ASCII):
        raise Unread(f"`{cleaned(word, 40)}` is no number.")
    return int(word)


def prefix_of(word: str, version: int) -> int:
    """The prefix length of a netmask in either notation; raises `Unread`."""
    if re.fullmatch(r"[0-9]{1,3}", word, re.ASCII):
        return int(word)
    bits = int(address_of(word))
    length = bits.bit_count()
    if version == 4 and bits == (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF:
        return length
    raise Unread(f"`{cleaned(word, 40)}` is no netmask.")


class Labels:
    """Gives labels that nobody has yet; capitals tell no labels apart."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {each.lower() for each in taken}
        self._counts: dict[str, int] = {}

    def new(self, words: str) -> str:
        """A label like these words, with a number behind it where it is taken."""
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", words.replace(":", "-"), flags=re.ASCII)
        plain = plain.strip("-")[:LONGEST_LABEL] or "service"
        label, count = plain, self._counts.get(plain.lower(), 1)
        while label.lower() in self._taken:
            count += 1
            label = f"{plain[: LONGEST_LABEL - len(str(count)) - 1]}-{count}"
        self._counts[plain.lower()] = count
        self._taken.add(label.lower())
        return label
