# SPDX-License-Identifier: Apache-2.0
"""One suite per driver, run on the fake and on the real one, so that fakes stay true."""
