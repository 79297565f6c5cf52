# SPDX-License-Identifier: Apache-2.0
"""The console on a pretended terminal, driven by keys alone."""
