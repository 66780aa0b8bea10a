"""A host with a booted systemd, and the Debian package as ``make deb`` builds it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.lab.errors import LabError
from tests.lab.spec import GuestSpec
from tests.lab.systemd import Booted
from tests.service.host import SETTINGS, install_enforcing, wait_status

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="package")
def package(shared):
    """The package, built here; not compressed, since that takes most of the time."""
    built = subprocess.run(
        [PROJECT / "tools/deb.sh"],
        env={**os.environ, "DEB_COMPRESSION": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        raise LabError(f"the package was not built:\n{built.stdout}{built.stderr}")
    made = PROJECT / built.stdout.splitlines()[-1]
    return made.rename(shared / made.name)


@pytest.fixture(scope="package")
def host(shared, package):
    """A host on which the package was installed; it is looked at every second."""
    with Booted("service", shared=[shared]) as booted:
        # what an administrator may do before: settings that are there stay
        booted.path(SETTINGS).parent.mkdir()
        booted.path(SETTINGS).write_text("interval: 1s\nhypervisor: {deadline: 600ms}\n", "utf-8")
        booted.run("dpkg", "--force-confold", "--install", package)
        yield booted


@pytest.fixture
def running(host):
    """The host, with the service up; a test that breaks it has it mended here."""
    host.systemctl("reset-failed", "trustd.socket", "trustd.service", check=False)
    host.systemctl("start", "trustd.socket", "trustd.service")
    wait_status(host, "observe")
    return host


@pytest.fixture(scope="package")
def enforcing(shared, package):
    """A host whose administrator went on to enforce, as the documents say, with one guest."""
    with Booted("enforcing", shared=[shared]) as booted:
        booted.start(GuestSpec("web-1"))
        install_enforcing(booted, package)
        yield booted
