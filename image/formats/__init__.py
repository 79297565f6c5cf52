# SPDX-License-Identifier: Apache-2.0
"""The disk in the formats of the places it goes to: a server's disk and the hypervisors."""
