# SPDX-License-Identifier: Apache-2.0
"""How the appliance becomes a disk; the services do not know what they are shipped in."""
