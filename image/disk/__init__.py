# SPDX-License-Identifier: Apache-2.0
"""From a root file system to a disk that boots, in user space: no mounts, no loop devices."""
