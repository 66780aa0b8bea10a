"""A hypervisor of its own for tests of the whole daemon: it watches every guest there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.daemon import DIRECTORY
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec

POLICY = Path(__file__).parents[2] / "policies/examples/lab.yaml"


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
    return host.guests


@pytest.fixture
def policy():
    """The lab's policy, with newcomers that settle within seconds."""
    text = POLICY.read_text("utf-8")
    assert "warmup: 10s" in text
    return text.replace("warmup: 10s", "warmup: 1s")


@pytest.fixture
def observing(policy):
    """The same policy, which only observes."""
    assert "mode: enforce" in policy
    return policy.replace("mode: enforce", "mode: observe")
