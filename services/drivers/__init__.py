# SPDX-License-Identifier: Apache-2.0
"""Side effects: one Protocol and one real implementation per outside thing.

A driver decides nothing. It reports what it sees and does what it is told, and raises
`ApplianceError` when the outside refuses. Fakes with the same rules live in `tests/fakes`,
held equal to the real ones by the contract suites.
"""
