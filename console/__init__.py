# SPDX-License-Identifier: Apache-2.0
"""What a person sees: a client of the services layer's socket, so that no screen can touch the appliance itself."""
