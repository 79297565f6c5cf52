# SPDX-License-Identifier: Apache-2.0
"""What becomes of the lab's layer 4 when it is killed, and without root's rights.

Apart from `test_lab.py`, whose lab with its traffic has ended by then: an emulated machine is slow.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kernel.guest.hands import ipvsadm
from tests.lab.control import ROOT
from tests.poll import eventually

START_S = 60
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin"}

LAUNCHER = """
import signal
from tests.lab import Lab
with Lab(servers=1, spares=0) as lab:
    lab.start_agent(layer4=True)
    print(lab.without_layer4 or "serves", flush=True)
    signal.pause()
"""

pytestmark = pytest.mark.timeout(140)


def used() -> int:
    """How often the scheduler of the lab's service is in use, in all networks together."""
    lines = Path("/proc/modules").read_text().splitlines()
    return sum(int(line.split()[2]) for line in lines if line.startswith("ip_vs_wrr "))


def test_a_killed_lab_leaves_no_table_in_the_kernel() -> None:
    # the kernel buries networks of tests before when it has time
    eventually(lambda: used() == 0, within_s=START_S)
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCHER],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    ) as launcher:
        try:
            assert launcher.stdout is not None
            assert launcher.stdout.readline() == "serves\n"
            assert used() == 1, "its service has the scheduler"
            assert ipvsadm("-S", "-n") == "", "and none is in this machine's own network"
        finally:
            launcher.send_signal(signal.SIGKILL)
    eventually(lambda: used() == 0, within_s=START_S)


UNPRIVILEGED = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    # the account's own machine has no group of the appliance's, whose number it could not use
    'mount --bind /dev/null /etc/group; exec "$@"',
    "sh",
)


def test_without_roots_rights_it_says_why_it_has_none() -> None:
    begun = time.monotonic()
    done = subprocess.run(
        [*UNPRIVILEGED, sys.executable, "-c", LAUNCHER.replace("signal.pause()", "pass")],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "This kernel gives the agent no IPVS, which layer 4 services need. Start it as root with "
        "the module ip_vs loaded, or try layer 4 in `make vm`.\n"
    ), f"after {time.monotonic() - begun:.0f} s"
