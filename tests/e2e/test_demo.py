"""The demo that the README promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

PROJECT = Path(__file__).parents[2]
LONGEST = 600.0
"""Seconds: it takes about one minute, and many where others want the processors as well."""


def test_demo_shows_the_whole_line_and_leaves_nothing():
    """The demo narrows a guest, proves it from inside, gives all back, and ends by itself with no
    process of its own left."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.demo"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        try:
            told, _ = demo.communicate(timeout=LONGEST)
        finally:
            demo.kill()
    assert demo.returncode == 0, told
    for words in (
        "look yourself: http://127.0.0.1:",
        "disk-throttle vda applied",
        "nic-link",
        "inside the guest: its network link is down",
        "inside the guest: its network link is up",
        "byte for byte",
        "nothing is left behind",
    ):
        assert words in told
    port = re.findall(r"http://127.0.0.1:(\d+)", told)[0]
    left = subprocess.run(
        ["pgrep", "-fa", rf"tests\.lab\.keeper {demo.pid} |socat TCP-LISTEN:{port},"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert left.stdout == ""
