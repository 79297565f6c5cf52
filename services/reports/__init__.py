# SPDX-License-Identifier: Apache-2.0
"""What is shown of a running appliance: counters and tables made into status and reports; pure.

reports
├── status            what the Overview shows of every service
├── layer4_status     its part about layer 4
├── status_words      what both layers say alike: chips, reasons, rates
├── flows             the kernel's figures of a layer 4 service and its servers
├── connections       the report of current connections, from millions of lines
├── connection_filter which of them a person wants to see
├── handshakes        those that pile up, and why
└── names             whose they are
"""
