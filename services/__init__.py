# SPDX-License-Identifier: Apache-2.0
"""Everything about the appliance that is true without a screen."""
