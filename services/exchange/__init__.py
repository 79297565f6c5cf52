# SPDX-License-Identifier: Apache-2.0
"""Configurations of other programs for the same kernel, read into ours, and ours written out; pure.

A file is read into services and an honest remainder: every line that says something we have no
field for is listed with the reason, whatever else could be taken. Nothing is guessed, nothing is
looked up and nothing is followed: names of hosts are not resolved, files that a file includes
are listed and not opened.

    exchange
    ├── lines            a file's lines, and the list of those that were left
    ├── names            addresses, ports by name, labels for what has none
    ├── making           services and servers of the model, from what was gathered
    ├── checks           what files say of health checks, in the model's fields
    ├── ipvsadm_*        the rules of `ipvsadm -S`, and rules for `ipvsadm -R`
    ├── ldirectord*      ldirectord.cf
    └── keepalived*      keepalived.conf, whose syntax is that of `blocks`
"""

from __future__ import annotations

from services.exchange.ipvsadm_read import read_ipvsadm
from services.exchange.ipvsadm_write import write_ipvsadm
from services.exchange.keepalived import read_keepalived
from services.exchange.ldirectord import read_ldirectord
from services.exchange.lines import Imported, Leftover, Marks, text_of

__all__ = [
    "Imported",
    "Leftover",
    "Marks",
    "read_ipvsadm",
    "read_keepalived",
    "read_ldirectord",
    "text_of",
    "write_ipvsadm",
]
