# SPDX-License-Identifier: Apache-2.0
"""How examples are made here; the guest and the appliance, which run other tiers, have no maker."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine's load and nothing of the product.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")
