# SPDX-License-Identifier: Apache-2.0
"""`ballast-probe`: looks at servers in the ways HAProxy cannot, without privileges.

Ping, UDP, DNS, RADIUS and SIP, whatever has to log in, scripts, and feedback by HTTP. What
strangers send is read here and not in the agent: this process may do nothing, so whoever
takes it over has gained little.

    server ─▶ watches ─▶ looker ─▶ one module per protocol
       ▲         │
       └─────────┘ what was found, to whoever listens

The protocols are our own few lines each and not libraries, for one reason: a look has to end
when its time is up and may read so much and no more, whatever the other end does. Clients in
the standard library and those for databases block, read literals of any length, or do both.
"""
