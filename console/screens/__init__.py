# SPDX-License-Identifier: Apache-2.0
"""Screens, one per file; what is not needed for the first picture is imported when it is opened."""
