"""What ships beside the program is what its tools accept."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CONTRIB = Path(__file__).parent.parent / "contrib"
UNITS = ("trustd.service", "trustd.socket", "trustd-gate@.service")
OBSERVING, ENFORCING, GATE = 1.5, 2.5, 2.5


@pytest.fixture
def units(tmp_path):
    """A folder with the shipped units, with programs that exist on any machine."""
    for name in UNITS:
        text = (CONTRIB / "systemd" / name).read_text("utf-8")
        text = re.sub("/opt/trustd/bin/(trustd|python)", "/bin/true", text)
        (tmp_path / name.replace("@", "@lab")).write_text(text, "utf-8")
    return tmp_path


def analyze(*arguments):
    tool = shutil.which("systemd-analyze")
    assert tool, "install the Debian package systemd"
    return subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=False)


def exposure(unit):
    """How exposed a unit is as systemd reckons, 0 to 10."""
    done = analyze("security", "--offline=true", unit)
    level = re.search(rf"exposure level for {re.escape(unit.name)}: ([0-9.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    return float(level[1])


def test_units_are_understood(units):
    """systemd finds nothing in the units that it does not know or that contradicts itself."""
    for unit in sorted(units.iterdir()):
        done = analyze("verify", "--man=no", unit)
        assert done.returncode == 0, done.stderr
        assert unit.name not in done.stderr


def test_units_are_confined(units):
    """Exposure is at most 1.5 of 10, and 2.5 for a server of disks that opens any image."""
    assert exposure(units / "trustd.service") <= OBSERVING
    assert exposure(units / "trustd-gate@lab.service") <= GATE


def test_unit_that_enforces_is_confined(units):
    """With the drop-in for enforcing, exposure is at most 2.5 of 10."""
    unit, more = units / "trustd.service", units / "trustd.service.d"
    before = exposure(unit)
    more.mkdir()
    shutil.copy(CONTRIB / "systemd/trustd-enforce.conf", more / "enforce.conf")
    assert before < exposure(unit) <= ENFORCING


def test_socket_is_for_the_group(units):
    """The socket unit makes what the daemon makes without it: 0660, of the group trustd."""
    text = (units / "trustd.socket").read_text("utf-8")
    for line in ("ListenStream=/run/trustd/trustd.sock", "SocketMode=0660", "SocketGroup=trustd"):
        assert f"\n{line}\n" in text


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_maintainer_script_is_a_shell_script(script):
    """The package's scripts are what a plain shell accepts, and stop at the first error."""
    path = CONTRIB / "debian" / script
    done = subprocess.run(["sh", "-n", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = path.read_text("utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -e\n" in text
