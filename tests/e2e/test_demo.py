"""The demo that the README promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

PROJECT = Path(__file__).parents[2]


def test_demo_shows_the_whole_line_and_leaves_nothing():
    """The demo narrows a guest, proves it from inside, gives all back, and ends within three
    minutes with no process of its own left."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for told in (
        "look yourself: http://127.0.0.1:",
        "disk-throttle vda applied",
        "nic-link",
        "inside the guest: its network link is down",
        "inside the guest: its network link is up",
        "byte for byte",
        "nothing is left behind",
    ):
        assert told in done.stdout
    left = subprocess.run(
        ["pgrep", "-fa", r"tests\.lab\.keeper [0-9]+ [0-9a-f-]+ demo|socat TCP-LISTEN"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert left.stdout == ""
