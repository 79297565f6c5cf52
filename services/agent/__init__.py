# SPDX-License-Identifier: Apache-2.0
"""The agent: owns the configuration and every side effect, and serves the socket.

Its death never touches the data plane; the next agent adopts what runs.
"""
