# SPDX-License-Identifier: Apache-2.0
"""Widgets that draw their own lines: one per file, values in, messages out."""
