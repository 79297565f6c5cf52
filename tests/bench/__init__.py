# SPDX-License-Identifier: Apache-2.0
"""The benchmarks behind `make bench`: what the appliance costs beside what it stands on.

A figure of one machine says nothing about another, so whatever has a peer is a ratio, both
sides measured in the same run and taking turns. Every result carries the raw samples of
both sides and the formula, and its value is computed from those and from nothing else.
Traffic flows in the namespaces of a lab, never on the host's own network.
"""
