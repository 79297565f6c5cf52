# SPDX-License-Identifier: Apache-2.0
"""Cases as folders: adding one needs no code."""
