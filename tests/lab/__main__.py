# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.lab`: the console on a lab appliance, in this terminal (`make run`).

Words for people go to standard error, data to standard output; exit 0 done, 2 wrong usage,
3 this machine could not. A second terminal reaches the running lab with the verbs below.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.errors import ApplianceError, Unable
from tests.lab.control import Control, Job, Place
from tests.lab.folder import find, living
from tests.lab.lab import WITHOUT_LAYER4, Lab, figures
from tests.lab.launch import environment
from tests.lab.layout import APPLIANCE, Layout
from tests.lab.terminal import Asked, end_by_exception, is_terminal, lend

EXIT_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a lab, or one verb on a running one."""
    given = _parser().parse_args(argv)
    end_by_exception()
    try:
        if given.verb:
            done: int = given.act(given)
            sys.stdout.flush()
            return done
        return run(given)
    except ApplianceError as error:
        say(str(error))
        return error.exit_status
    except Asked as asked:
        return int(asked.code or 0)
    except BrokenPipeError:
        # whoever read has seen enough; nothing is left to be written at the end either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def say(text: str) -> None:
    """Tell the person."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


def run(given: argparse.Namespace) -> int:
    """Start a lab, use it, say what its client saw, end it."""
    if not (given.no_console or given.shell or is_terminal()):
        say("The console needs a terminal; `make run ARGS=--no-console` does without.")
        return EXIT_USAGE
    with Lab(given.servers) as lab:
        try:
            layout = lab.layout
            say(f"appliance up, {layout.servers} real servers, {layout.spares} spare; agent next")
            lab.start_agent(layer4=True)
            lab.start_traffic()
            say("agent up, client sending")
            if lab.without_layer4:
                say(f"layer 7 only. {lab.without_layer4}")
            return _use(lab, given)
        finally:
            # a start that failed has its own words, and no client to speak of
            for line in summary(lab.traffic) if lab.traffic else ():
                say(line)


def _use(lab: Lab, given: argparse.Namespace) -> int:
    if given.shell:
        return _shell(lab.appliance)
    if given.no_console:
        print(f"BALLAST_SOCKET={lab.socket}", flush=True)
        say(f"{lab.folder.name} runs until Ctrl-C")
        while True:
            signal.pause()
    console = [sys.executable, "-m", "console", "--socket", str(lab.socket)]
    status = lend(console, {**os.environ, "BALLAST_SOCKET": str(lab.socket)})
    if status:
        say(f"the console ended with status {status}")
    return 0 if status == 0 else Unable.exit_status


def _shell(place: Place) -> int:
    """A shell on a machine; without a terminal, one that reads commands from its input."""
    bash = ["bash", "--noprofile", "--rcfile", str(Path(__file__).with_name("bashrc"))]
    shell = bash if is_terminal() and shutil.which("bash") else ["sh"]
    prompt = f"{place.name}$ "
    env = {**place.control.env, "PS1": prompt, "LAB_PROMPT": prompt}
    env |= {name: os.environ[name] for name in ("TERM", "COLORTERM") if name in os.environ}
    return abs(lend([*place.enter_argv(), *shell], env))


def summary(counts: Mapping[str, Any]) -> tuple[str, str]:
    """The client's figures in two lines."""
    if not counts:
        return "0 requests sent", "answered by nobody"
    failed, error = counts["failed"], counts["last_error"]
    answered = ", ".join(f"{name} {count}" for name, count in sorted(counts["answered"].items()))
    last = f" (the last one: {error})" if error else ""
    return (
        f"{counts['requests']} requests sent, {failed} failed{last}",
        f"answered by {answered or 'nobody'}",
    )


# ------------------------------------------------------------------- verbs on a running lab


def _control(given: argparse.Namespace) -> Control:
    folder = find(given.lab)
    return Control(folder, environment(folder))


def _one_job(act: Callable[[Job], object]) -> Callable[[argparse.Namespace], int]:
    def do(given: argparse.Namespace) -> int:
        job = Job(_control(given), given.job)
        if given.verb != "start" and not job.running:
            raise Unable(f"{job.name} does not run.", do=f"Start it with `start {job.name}`.")
        act(job)
        say(f"{job.name} {'runs' if job.running else 'has ended'}")
        return 0

    return do


def shell(given: argparse.Namespace) -> int:
    """A shell on a machine of the lab; it ends with the lab."""
    return _shell(Place(_control(given), given.machine))


def status(given: argparse.Namespace) -> int:
    """What runs in the lab, and where its socket is."""
    control = _control(given)
    print(f"lab     {control.folder.name}")
    print(f"socket  {control.env['BALLAST_SOCKET']}")
    for name, job in sorted(control.ask({"do": "status"})["jobs"].items()):
        left = f"ended with {job['exit']}" if job["pid"] else "not started"
        print(f"{name:<7} {'runs' if job['running'] else left}")
    if (why := control.folder / WITHOUT_LAYER4).exists():
        print(f"layer 4 is missing. {why.read_text()}")
    for other in (path for path in living() if path != control.folder):
        print(f"also    {other.name}")
    return 0


def client(given: argparse.Namespace) -> int:
    """The client's figures, a line a second until the lab ends."""
    folder: Path = _control(given).folder
    while folder.exists():
        counts = figures(folder)
        words = "; ".join(summary(counts))
        print(f"{counts.get('rate_per_s', 0):5.1f}/s  {words}", flush=True)
        if given.once:
            break
        time.sleep(1)
    return 0


def _count(text: str) -> int:
    try:
        return Layout(int(text)).servers
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument(
        "--servers", type=_count, default=3, help="real servers of the first service", metavar="N"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--shell", action="store_true", help="a shell on the appliance instead")
    way.add_argument("--no-console", action="store_true", help="run until Ctrl-C")
    parser.set_defaults(verb="", lab="")
    verbs = parser.add_subparsers(dest="verb", title="in another terminal")

    def verb(name: str, words: str, act: Callable[[argparse.Namespace], int]) -> Any:
        added = verbs.add_parser(name, help=words, description=words)
        added.add_argument("--lab", default="", metavar="NAME", help="which lab; else the newest")
        added.set_defaults(act=act)
        return added

    verb("status", "what runs, and where the socket is", status)
    live = verb("client", "what the client sees, live", client)
    live.add_argument("--once", action="store_true", help="one line and no more")
    inside = verb("shell", "a shell on the appliance, or on another machine", shell)
    inside.add_argument("machine", nargs="?", default=APPLIANCE, metavar="web2")
    for name, words, act in (
        ("start", "start a real server (web1, …), the agent, the browser", _one_job(Job.start)),
        ("stop", "ask one of them to end", _one_job(Job.stop)),
        ("kill", "kill one of them without a warning", _one_job(Job.kill)),
    ):
        verb(name, words, act).add_argument("job", metavar="web2")
    return parser


if __name__ == "__main__":
    sys.exit(main())
