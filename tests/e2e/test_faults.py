"""The daemon through the faults that this class of tool dies of."""

from __future__ import annotations

import time

import pytest

from tests.lab.daemon import Daemon
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec

pytestmark = pytest.mark.lab

GUESTS = 9


@pytest.fixture(scope="module")
def crowd(shared):
    with Hypervisor("crowd", shared=[shared]) as hypervisor:
        hypervisor.start(
            *(GuestSpec(f"guest-{number}", labels={"app": "web"}) for number in range(GUESTS))
        )
        yield hypervisor


def names(host):
    return [guest.name for guest in host.guests]


def fleet(daemon):
    """The tick and all guests by name, of one moment."""
    listed = daemon.get("/v1/guests?limit=1000")
    return listed["tick"], {guest["name"]: guest for guest in listed["guests"]}


def watch(daemon, count):
    """The fleet at ``count`` consecutive ticks, none of them left out."""
    seen = {}
    deadline = time.monotonic() + 20 * count
    while len(seen) < count:
        tick, guests = fleet(daemon)
        seen.setdefault(tick, guests)
        assert time.monotonic() < deadline, f"only {len(seen)} ticks\n{daemon.log()}"
    assert sorted(seen) == list(range(min(seen), min(seen) + count)), "a tick was left out"
    return list(seen.values())


def all_fresh(daemon):
    return all(guest["freshness"] == "fresh" for guest in fleet(daemon)[1].values())


def test_frozen_emulator_costs_no_other_guest_its_sample(crowd, policy):
    """With one QEMU frozen all others are sampled in every tick; the frozen one is shown with what
    can be had and its age, neither better nor worse than before; after SIGCONT it is whole."""
    frozen, *others = crowd.guests
    policy = policy.replace("after: 10s, then: cap", "after: 1h, then: cap").replace(
        "give_up: 10m", "give_up: 2h"
    )
    with Daemon(crowd, policy) as daemon:
        daemon.wait(lambda: len(fleet(daemon)[1]) == GUESTS and all_fresh(daemon), "all are fresh")
        daemon.wait_guest(frozen.name, lambda now: now["trust"] > 0.9, "is settled", seconds=60)
        trust = daemon.guest(frozen.name)["trust"]
        frozen.freeze()
        try:
            seen = watch(daemon, 12)
            for guests in seen:
                for guest in others:
                    assert guests[guest.name]["freshness"] == "fresh"
                    assert guests[guest.name]["age"] < 1.0
            state = daemon.guest(frozen.name)
            assert state["freshness"] == "partial"
            assert state["age"] > 8.0
            assert state["samples"]["disk.write.bytes"]["gap"] == "unresponsive"
            assert state["samples"]["net.tx.bytes"]["value"] is not None
            assert state["trust"] == pytest.approx(trust, abs=0.02)
            assert state["uncertainty"] >= seen[0][frozen.name]["uncertainty"]
            assert daemon.get("/v1/status")["hypervisor"]["unresponsive"] == 1
        finally:
            frozen.thaw()
        daemon.wait_guest(frozen.name, lambda now: now["freshness"] == "fresh", "is whole again")
        whole = watch(daemon, 3)[-1][frozen.name]
        assert whole["age"] < 1.0
        daemon.stop()


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
def test_libvirtd_may_restart(crowd, policy, kill):
    """While libvirtd is away every guest is shown as stale, with its age, and nobody is narrowed
    for it; when it is back all are whole again, and events arrive as before."""
    with Daemon(crowd, policy) as daemon:
        daemon.wait(lambda: len(fleet(daemon)[1]) == GUESTS and all_fresh(daemon), "all are fresh")
        crowd.stop_libvirtd(kill=kill)
        daemon.wait(
            lambda: {guest["freshness"] for guest in fleet(daemon)[1].values()} == {"stale"},
            "all are stale",
        )
        assert len(fleet(daemon)[1]) == GUESTS
        assert not daemon.get("/readyz")["ready"]
        crowd.start_libvirtd()
        daemon.wait(lambda: all_fresh(daemon), "all are fresh again", seconds=60)
        _, guests = fleet(daemon)
        assert len(guests) == GUESTS
        assert {guest["band"] for guest in guests.values()} == {"trusted"}
        assert not any(guest["restricted"] for guest in guests.values())
        with crowd.guest(GuestSpec("late", labels={"app": "web"})):
            daemon.wait_guest("late", lambda now: now["freshness"] == "fresh", "is seen")
        daemon.wait(lambda: "late" not in fleet(daemon)[1], "its end is seen")
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
        daemon.wait(lambda: len(fleet(daemon)[1]) == GUESTS and all_fresh(daemon), "all are seen")
        daemon.stop()
    finally:
        daemon.__exit__(None, None, None)
