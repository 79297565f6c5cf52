# SPDX-License-Identifier: Apache-2.0
"""Tests, the lab and the benchmarks: one package, so that they share what stands beside them."""
