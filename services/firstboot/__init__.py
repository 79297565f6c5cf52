# SPDX-License-Identifier: Apache-2.0
"""Make on the unit what no two units may share: its keys, passwords and machine id.

An image carries none of them, because every copy of it would have the same. What is missing
is made, what is there stays, so it may be cut at any moment and started any number of times:
after factory defaults, after a power cut in the middle, after somebody deleted a key.
"""
