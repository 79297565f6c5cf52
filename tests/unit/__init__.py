# SPDX-License-Identifier: Apache-2.0
"""Pure parts; nothing needed, seconds."""
