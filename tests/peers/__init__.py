# SPDX-License-Identifier: Apache-2.0
"""Real daemons, clients and servers in network namespaces of the test's own."""
