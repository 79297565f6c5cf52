# SPDX-License-Identifier: Apache-2.0
"""The doctor decides: what to ask the wire about a service, and what the answers prove; pure.

Asking is done by `services.drivers.wire`, in the order by `services.agent.doctor`.
"""
