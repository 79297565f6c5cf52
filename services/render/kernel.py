# SPDX-License-Identifier: Apache-2.0
"""The kernel's network settings, which the agent keeps like everything else.

Names are paths below /proc/sys. What a kernel does not have is left out by the driver: the
IPVS ones are there once ip_vs is loaded, and a network namespace, e.g. a lab's, has only its
own. Where `all` is not enough, since the kernel asks the card alone or both, the cards of the
configuration are named.

Sources: the kernel's ip-sysctl and ipvs-sysctl, and what other load balancers on IPVS ship.
"""

from __future__ import annotations

from typing import get_args

from services.model import Document
from services.model.local import InterfaceName
from services.model.service import PAGE_PORT
from services.render.nat import wants_conntrack

SYNC_PORT = 8848
"""Where the kernel's IPVS synchronisation listens."""

_CARDS = ("default", *get_args(InterfaceName))

KERNEL_SETTINGS: dict[str, str] = {
    # a client whose server was deleted is told at once, and does not wait for nobody
    "net/ipv4/vs/expire_nodest_conn": "1",
    # a port used again goes to a server by the scheduler; since Linux 5.9 at no cost
    "net/ipv4/vs/conn_reuse_mode": "1",
    # layer 4 NAT and the unit as its real servers' gateway
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    # HAProxy binds VIPs that the partner has now
    "net/ipv4/ip_nonlocal_bind": "1",
    "net/ipv6/ip_nonlocal_bind": "1",
    # an address is answered for by its own card only, and asked from by its own address
    "net/ipv4/conf/all/arp_ignore": "1",
    "net/ipv4/conf/all/arp_announce": "2",
    "net/ipv4/conf/all/arp_notify": "1",
    # replies may leave by another card than requests came in
    "net/ipv4/conf/all/rp_filter": "2",
    # checks of one's own VIP come from an address of this unit
    "net/ipv4/conf/all/accept_local": "1",
    "net/ipv4/conf/all/accept_redirects": "0",
    # clients on the VIP's own network must not be sent to the servers behind it
    "net/ipv4/conf/all/send_redirects": "0",
    **{f"net/ipv4/conf/{card}/send_redirects": "0" for card in _CARDS},
    # addresses come from the configuration alone
    **{f"net/ipv6/conf/{card}/accept_ra": "0" for card in _CARDS},
    # ten thousand servers may be neighbours, twice over in a pair with both families
    **{
        f"net/{version}/neigh/default/gc_thresh{level}": count
        for version in ("ipv4", "ipv6")
        for level, count in (("1", "8192"), ("2", "32768"), ("3", "65536"))
    },
    "net/netfilter/nf_conntrack_max": "524288",
    # 10,000 servers that fail at once are as many datagrams; with the kernel's 10 a third is lost
    "net/unix/max_dgram_qlen": "20000",
    "net/core/somaxconn": "65535",
    "net/ipv4/tcp_max_syn_backlog": "65535",
    # a proxy needs a port for each connection to a server
    "net/ipv4/ip_local_port_range": "1024 65535",
    "net/ipv4/ip_local_reserved_ports": f"{SYNC_PORT},{PAGE_PORT}",
    "net/ipv4/tcp_tw_reuse": "1",
}
"""Those that no document changes."""


def kernel_settings(document: Document) -> dict[str, str]:
    """All of them, as the document asks for."""
    return KERNEL_SETTINGS | {
        # it halves the rate; rules that change a source see by it where a connection went
        "net/ipv4/vs/conntrack": _switch(on=wants_conntrack(document)),
        # off, persistent clients come back to a server of weight 0 as long as they keep coming
        "net/ipv4/vs/expire_quiescent_template": _switch(
            on=document.cluster.layer4_advanced.release_persistent
        ),
    }


def _switch(*, on: bool) -> str:
    return "1" if on else "0"
