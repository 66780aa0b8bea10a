"""A hypervisor of its own for tests of the whole daemon: it watches every guest there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.daemon import DIRECTORY
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec

POLICY = Path(__file__).parents[2] / "policies/examples/lab.yaml"
EARLIER = {
    "warmup: 10s": "warmup: 1s",
    "max: 4MiB/s": "max: 1MiB/s",
    "max: 64MiB/s": "max: 1MiB/s",
    "max: 2k/s": "max: 500/s",
}
"""Newcomers settle within seconds, and whatever little an emulated guest gets done on a busy
machine is still far more than it may."""


def lab_policy():
    """The lab's policy, by which guests settle and fall sooner."""
    text = POLICY.read_text("utf-8")
    for stated, here in EARLIER.items():
        assert stated in text
        text = text.replace(stated, here)
    return text


@pytest.fixture(scope="package")
def host(shared):
    """One for the package; its three guests are in two roles."""
    with Hypervisor("e2e", shared=[shared]) as hypervisor:
        hypervisor.start(
            GuestSpec("web-1", labels={"app": "web"}),
            GuestSpec("web-2", labels={"app": "web"}),
            GuestSpec("db-1", labels={"app": "db"}),
        )
        yield hypervisor


@pytest.fixture
def trio(host):
    """The three guests, quiet, and nobody knows anything of them."""
    for guest in host.guests:
        guest.quiet()
    host.run("rm", "-rf", f"{DIRECTORY}/state")
    yield host.guests
    for guest in host.guests:
        guest.quiet()


@pytest.fixture
def policy():
    """The lab's policy, by which guests settle and fall sooner."""
    return lab_policy()


@pytest.fixture
def observing(policy):
    """The same policy, which only observes."""
    assert "mode: enforce" in policy
    return policy.replace("mode: enforce", "mode: observe")
