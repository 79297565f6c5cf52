# SPDX-License-Identifier: Apache-2.0
"""Tests on a kernel with IPVS, in a virtual machine."""
