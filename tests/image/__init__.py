# SPDX-License-Identifier: Apache-2.0
"""The image as it is built: judged, entered, booted."""
