# SPDX-License-Identifier: Apache-2.0
"""What is measured on the kernel with IPVS, inside the guest of the kernel tier.

Each module has a function `measure` that gives samples by name; what they amount to is worked
out on the host (`tests.bench.kernel`).
"""
