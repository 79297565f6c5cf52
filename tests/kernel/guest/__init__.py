# SPDX-License-Identifier: Apache-2.0
"""What runs in the guest; each test is one of the host's too, which reads its result."""
