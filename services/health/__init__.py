# SPDX-License-Identifier: Apache-2.0
"""The health of layer 4 servers as values: what is looked at, what was found, what follows.

    document ─▶ targets ─▶ checks HAProxy, ballast-probe ─▶ results ─▶ verdicts ─▶ shares

A *target* is one thing to look at, however many servers of however many services ask for it. A
*verdict* is what its results so far amount to. A *share* is the part of its weight that a server
gets for it; it is an input of the wanted table like the document is, so that the kernel's table
has one writer. Everything here is pure: the engines that look are drivers, the task that keeps
the book is the agent's.
"""
