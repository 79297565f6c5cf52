# SPDX-License-Identifier: Apache-2.0
"""Drivers without an outside: they keep state and refuse what the real ones refuse."""
