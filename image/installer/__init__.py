# SPDX-License-Identifier: Apache-2.0
"""What runs from the installer medium: asks for a disk, writes the appliance to it, verifies it."""
