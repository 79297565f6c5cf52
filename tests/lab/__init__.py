# SPDX-License-Identifier: Apache-2.0
"""A load balancer to play with: an appliance, clients and real servers in namespaces.

`make run`, the tests that need real peers and the bench all use this one; none of them sends
anything on the host's own network, and nothing of a lab outlives its launcher.
"""

from __future__ import annotations

from tests.lab.control import Control, Ended, Job, Place, Process
from tests.lab.lab import Lab
from tests.lab.layout import Layout

__all__ = ["Control", "Ended", "Job", "Lab", "Layout", "Place", "Process"]
