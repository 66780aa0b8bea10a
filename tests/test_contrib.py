"""What ships beside the program is what its tools accept."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CONTRIB = Path(__file__).parent.parent / "contrib"
MOST_EXPOSED = 1.5


@pytest.fixture
def unit(tmp_path):
    """The shipped unit, with programs that exist on any machine."""
    text = (CONTRIB / "systemd/trustd.service").read_text("utf-8")
    path = tmp_path / "trustd.service"
    path.write_text(text.replace("/opt/trustd/bin/trustd", "/bin/true"))
    return path


def analyze(*arguments):
    tool = shutil.which("systemd-analyze")
    assert tool, "install the Debian package systemd"
    return subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_unit_is_understood(unit):
    """systemd finds nothing in the unit that it does not know or that contradicts itself."""
    done = analyze("verify", unit)
    assert done.returncode == 0, done.stderr
    assert unit.name not in done.stderr


def test_unit_is_confined(unit):
    """The unit's exposure, as systemd reckons it, is at most 1.5 of 10."""
    done = analyze("security", "--offline=true", unit)
    level = re.search(r"exposure level for trustd\.service: ([0-9.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    assert float(level[1]) <= MOST_EXPOSED
