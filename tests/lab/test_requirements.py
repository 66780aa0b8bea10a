"""What the lab says when it cannot run, and what pytest reports of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import requirements
from tests.lab.errors import LabError
from tests.lab.namespaces import PROJECT

USES_THE_LAB = """
from tests.lab.spec import GuestSpec
def test_guest(guests):
    (guest,) = guests(GuestSpec("witness"))
    assert not guest.name
"""


def run_pytest(directory: Path, **environment: str) -> str:
    (directory / "test_it.py").write_text(USES_THE_LAB, "utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.lab.fixtures",
        "-p",
        "no:cacheprovider",
        "-rs",
    ]
    ended = subprocess.run(
        [*command, "--rootdir", str(directory), str(directory)],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout


def test_every_missing_package_is_named(tmp_path: Path) -> None:
    """On a machine with nothing, each package is named, and one command installs them."""
    lacking = requirements.missing(path=str(tmp_path))
    text = requirements.explain(lacking)
    for package in requirements.PACKAGES:
        assert f"the package {package} " in text
        assert package in text.partition("apt-get install")[2]


def test_without_root_the_lab_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is not root is told so, and nothing is started."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="the rights of root"):
        requirements.require()


def test_tests_fail_without_what_the_lab_needs(tmp_path: Path) -> None:
    """A lab that cannot run fails its tests with the explanation; it never skips by itself."""
    plugin = (
        "from tests.lab import namespaces, requirements\nimport os\nos.geteuid = lambda: 1000\n"
    )
    (tmp_path / "conftest.py").write_text(plugin, "utf-8")
    output = run_pytest(tmp_path, TRUSTD_LAB="")
    assert "the rights of root" in output
    assert "1 error" in output


def test_the_lab_can_be_switched_off_knowingly(tmp_path: Path) -> None:
    """TRUSTD_LAB=skip skips, and says that it did."""
    output = run_pytest(tmp_path, TRUSTD_LAB="skip")
    assert "1 skipped" in output
    assert "TRUSTD_LAB=skip" in output


@pytest.mark.lab
@pytest.mark.timeout(900)
def test_a_failure_shows_the_consoles(tmp_path: Path) -> None:
    """The report of a failed test has its guests' consoles and libvirt's log."""
    output = run_pytest(tmp_path, TRUSTD_LAB="")
    assert "console of 'witness'" in output
    assert "lab: the agent listens" in output
    assert "libvirtd of lab" in output
