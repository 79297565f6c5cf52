# SPDX-License-Identifier: Apache-2.0
"""How the appliance becomes a disk; apart from the services, which must not know what they are shipped in."""
