# SPDX-License-Identifier: Apache-2.0
"""From a document to files in memory: path, mode and bytes; pure.

Nothing here writes: the bytes are judged, compared with what lies on the disk and only
then put in place, by others.
"""

from __future__ import annotations

from services.render.haproxy import haproxy_wanted
from services.render.place import Place
from services.render.system import system_files

__all__ = ["Place", "haproxy_wanted", "system_files"]
