# SPDX-License-Identifier: Apache-2.0
"""Tests, the lab and the benchmarks: a package, so that all three share what stands beside them and none is shipped."""
