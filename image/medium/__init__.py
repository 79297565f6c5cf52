# SPDX-License-Identifier: Apache-2.0
"""The installer medium: a hybrid image for sticks, CDs and virtual media, under every firmware."""
