# SPDX-License-Identifier: Apache-2.0
"""Wanted and seen in, ordered changes out. Nothing else.

Nothing is imported here: who only names cards, early at every start, has no use for the rest.
"""
