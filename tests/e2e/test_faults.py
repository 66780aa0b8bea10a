"""The daemon through the faults that this class of tool dies of."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.lab.daemon import SOCKET, Daemon
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from trustd.ctl.connection import Connection

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

GUESTS = 9
WATCHED = 5
"""Ticks with a frozen emulator."""
EVERY = 3.0
"""Seconds between two of them: a busy machine needs some to ask all the others."""


@pytest.fixture(scope="module")
def host(shared):
    with Hypervisor("crowd", shared=[shared]) as hypervisor:
        hypervisor.start(
            *(GuestSpec(f"guest-{number}", labels={"app": "web"}) for number in range(GUESTS)),
            seconds=600,
        )
        yield hypervisor


@pytest.fixture
def crowd(host):
    """The guests with their libvirtd, which is there again for the next test."""
    yield host
    if host.run("virsh", "-q", "list", check=False).returncode:
        host.start_libvirtd()


def fleet(daemon):
    """The tick and all guests by name, of one moment."""
    listed = daemon.get("/v1/guests?limit=1000")
    return listed["tick"], {guest["name"]: guest for guest in listed["guests"]}


def watch(daemon, count):
    """What the next ticks change, as the daemon tells it of each: none of them is left out."""
    events = Connection(daemon.hypervisor.path(SOCKET)).events()
    told = (event.data for event in events if event.kind == "tick")
    found = list(islice(told, 1, 1 + count))  # the first is the last one before
    assert [each["tick"] for each in found] == [found[0]["tick"] + n for n in range(count)]
    return found


def wait_all_fresh(daemon):
    """Wait until every guest is measured at one tick; the fleet as it then is."""
    found = {}

    def all_fresh():
        found.clear()
        found.update(fleet(daemon)[1])
        fresh = [guest for guest in found.values() if guest["freshness"] == "fresh"]
        return len(found) == len(fresh) == GUESTS

    daemon.wait(all_fresh, "all are fresh", seconds=120)
    return found


def test_frozen_emulator_costs_no_other_guest_its_sample(crowd, policy):
    """With one QEMU frozen all others are sampled in every tick; the frozen one is shown with what
    can be had and its age, neither better nor worse than before; after SIGCONT it is whole."""
    frozen, *others = crowd.guests
    policy = policy.replace("after: 10s, then: cap", "after: 1h, then: cap").replace(
        "give_up: 10m", "give_up: 2h"
    )
    daemon = Daemon(crowd, policy, interval=f"{EVERY:g}s")
    daemon.settings["hypervisor"] = {"deadline": f"{EVERY - 1:g}s"}
    with daemon:
        wait_all_fresh(daemon)
        before = daemon.wait_guest(
            frozen.name, lambda now: now["trust"] > 0.9, "is settled", seconds=120
        )
        frozen.freeze()
        try:
            daemon.wait_guest(frozen.name, lambda now: now["freshness"] == "partial", "is missed")
            asked = [each for told in watch(daemon, WATCHED) for each in told["changed"]]
            # who is fresh and stays so is not told again
            assert not {each["name"] for each in asked if each["freshness"] != "fresh"}
            guests = fleet(daemon)[1]
            for guest in others:
                assert guests[guest.name]["freshness"] == "fresh"
                assert guests[guest.name]["age"] < EVERY
            state = daemon.guest(frozen.name)
            assert state["freshness"] == "partial"
            assert state["age"] > (WATCHED - 1) * EVERY
            assert state["samples"]["disk.write.bytes"]["gap"] == "unresponsive"
            assert state["samples"]["net.tx.bytes"]["value"] is not None
            assert state["trust"] == pytest.approx(before["trust"], abs=0.05)
            assert state["uncertainty"] >= before["uncertainty"]
            assert daemon.get("/v1/status")["hypervisor"]["unresponsive"] == 1
        finally:
            frozen.thaw()
        daemon.wait_guest(
            frozen.name,
            lambda now: now["freshness"] == "fresh" and now["age"] < EVERY,
            "is whole again",
            seconds=60,
        )
        daemon.stop()


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
def test_libvirtd_may_restart(crowd, policy, kill):
    """While libvirtd is away every guest is shown as stale, with its age, and nobody is narrowed
    for it; when it is back all are whole again, and events arrive as before."""
    with Daemon(crowd, policy) as daemon:
        wait_all_fresh(daemon)
        crowd.stop_libvirtd(kill=kill)
        daemon.wait(
            lambda: {guest["freshness"] for guest in fleet(daemon)[1].values()} == {"stale"},
            "all are stale",
            seconds=60,
        )
        assert len(fleet(daemon)[1]) == GUESTS
        assert not daemon.get("/readyz")["ready"]
        crowd.start_libvirtd()
        guests = wait_all_fresh(daemon)
        assert len(guests) == GUESTS
        assert {guest["band"] for guest in guests.values()} == {"trusted"}
        assert not any(guest["restricted"] for guest in guests.values())
        with crowd.guest(GuestSpec("late", labels={"app": "web"})):
            daemon.wait_guest(
                "late", lambda now: now["freshness"] == "fresh", "is seen", seconds=60
            )
        daemon.wait(lambda: "late" not in fleet(daemon)[1], "its end is seen", seconds=60)
        daemon.stop()


def test_libvirtd_may_start_after_trustd(crowd, policy):
    """A daemon that starts before libvirtd says that it waits, and then sees every guest."""
    crowd.stop_libvirtd()
    daemon = Daemon(crowd, policy)
    try:
        daemon.start(ready=False)
        daemon.wait(
            lambda: daemon.get("/readyz")["checks"]["hypervisor"]["ok"] is False, "it says so"
        )
        crowd.start_libvirtd()
        wait_all_fresh(daemon)
        daemon.stop()
    finally:
        daemon.__exit__(None, None, None)
