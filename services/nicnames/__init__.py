# SPDX-License-Identifier: Apache-2.0
"""Give the network cards their names, once at every start and before anything uses them.

The kernel names cards in the order it happens to find them, and systemd after the slot they
are in: with either a new card, a new board or another hypervisor renames them, and the
configuration speaks of eth0. So each name is bound to a card's hardware address, in a file
on the data partition. What is decided stands in `services.plan.names`.
"""
