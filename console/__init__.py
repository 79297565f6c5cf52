# SPDX-License-Identifier: Apache-2.0
"""What a person sees: a client of the services' socket, so no screen can touch the appliance."""
