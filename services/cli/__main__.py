# SPDX-License-Identifier: Apache-2.0
"""`python -m services.cli`, where the package is not installed."""

from __future__ import annotations

import sys

from services.cli import main

if __name__ == "__main__":
    sys.exit(main())
