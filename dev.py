#!/usr/bin/env python3
"""
Set up the workspace and run one of its jobs.

    python3 dev.py demo               # the reference service ranks a real leaderboard
    python3 dev.py test               # every check and every test: what CI runs
    python3 dev.py test packages -x   # some tests: the arguments are pytest's
    python3 dev.py nox -l             # every other job

Needs Python >= 3.11 with its pip, nothing else: uv is installed into .venv, and .venv is made
what uv.lock says. What follows the job's name is passed on to it.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
UV = "uv==0.13.8"

JOBS = ("demo", "test", "nox")


def run(*command: str) -> int:
    """Run a command of the workspace's environment."""
    env = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "VIRTUAL_ENV": str(VENV),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    return subprocess.call([BIN / command[0], *command[1:]], cwd=ROOT, env=env)


def set_up() -> int:
    """Make .venv what uv.lock says."""
    if not list(BIN.glob("uv*")):
        venv.create(VENV, with_pip=True)
        if code := run("python", "-m", "pip", "install", "--quiet", UV):
            return code
    return run("uv", "sync", "--quiet", "--frozen", "--inexact", "--all-packages", "--all-extras")


def command(job: str, *args: str) -> tuple[str, ...]:
    """Return what runs a job: a session of the noxfile, given the arguments."""
    if job == "nox":
        return ("nox", *args)
    if job == "demo":
        return ("nox", "-s", "demo", "--", *args)
    return ("nox", "-s", "tests", "--", *args) if args else ("nox",)


def main(job: str, *args: str) -> int:
    """Set up, then run the job; its exit code is ours."""
    return set_up() or run(*command(job, *args))


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 -- what an older one is told
        sys.exit(f"infra needs Python >= 3.11; this is {sys.version.split()[0]}")
    if sys.argv[1:2] and sys.argv[1] in JOBS:
        sys.exit(main(*sys.argv[1:]))
    sys.exit(__doc__)
