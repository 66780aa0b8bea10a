"""The whole line on real guests: collect, score, decide, narrow, give back."""

from __future__ import annotations

import time

import pytest

from tests.lab.daemon import Daemon
from tests.lab.state import live_state
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.lab

ENVELOPE = 4 * 2**20
"""Bytes a second that the policy lets a web guest write."""
TWICE = 2 * ENVELOPE


def fresh(guest):
    return guest["freshness"] == "fresh" and guest["band"] == "trusted"


def settled(guest):
    return fresh(guest) and guest["trust"] > 0.9


def done(guest, lever, *statuses):
    return any(
        action["lever"] == lever and action["status"] in (statuses or ("applied", "held"))
        for action in guest["actions"]
    )


def restored(guest):
    return fresh(guest) and not guest["actions"]


def ticks(daemon, names, until, seconds=60):
    """Every tick of some guests, until a condition on the first of them holds."""
    seen = {name: {} for name in names}
    deadline = time.monotonic() + seconds
    while True:
        for name in names:
            document = daemon.guest(name)
            seen[name].setdefault(document["tick"], document)
        if until(seen[names[0]][max(seen[names[0]])]):
            return {name: list(found.values()) for name, found in seen.items()}
        assert time.monotonic() < deadline, (
            f"not within {seconds} s; the last of {names[0]}: {document}\n{daemon.log()}"
        )


def test_misbehaving_guest_is_narrowed_at_once_and_given_everything_back(host, trio, policy):
    """A guest is narrowed within two ticks of its first bad sample, its neighbours' trust does not
    move, and after recovery its definitions and every tunable are what they were."""
    web, neighbour, database = trio
    with Daemon(host, policy) as daemon:
        for guest in trio:
            daemon.wait_guest(guest.name, settled, "is trusted", seconds=60)
        before = live_state(web)
        trust = {guest.name: daemon.guest(guest.name)["trust"] for guest in (neighbour, database)}

        web.write(TWICE)
        seen = ticks(
            daemon,
            [web.name, neighbour.name, database.name],
            lambda now: done(now, "disk-throttle"),
        )
        bad = next(
            now["tick"]
            for now in seen[web.name]
            if (now["samples"]["disk.write.bytes"]["value"] or 0) > ENVELOPE
        )
        narrowed = next(now for now in seen[web.name] if done(now, "disk-throttle"))
        assert narrowed["tick"] - bad <= 2
        assert any("disk.write.bytes" in driver["text"] for driver in narrowed["drivers"])
        assert any("write" in access["lost"] for access in narrowed["access"])
        wait_until(lambda: web.rates().written < ENVELOPE / 10, "it is felt", seconds=30)

        web.flood(5000, size=200)
        seen_flood = ticks(
            daemon, [web.name, neighbour.name, database.name], lambda now: done(now, "nic-link")
        )
        wait_until(lambda: not web.counters().carrier, "the link is down", seconds=30)
        web.quiet()
        seen_after = ticks(daemon, [web.name, neighbour.name, database.name], restored, seconds=120)

        for part in (seen, seen_flood, seen_after):
            for name, expected in trust.items():
                for now in part[name]:
                    assert now["trust"] == pytest.approx(expected, abs=0.02)
                    assert not now["actions"]
        wait_until(lambda: web.counters().carrier, "the link is up", seconds=30)
        assert live_state(web) == before
        daemon.stop()


def test_observe_mode_decides_the_same_and_touches_nothing(host, trio, observing):
    """In observe mode the same actions appear, marked as what would be done, and the guest's live
    definition, its limits and what it can do are untouched."""
    web = trio[0]
    with Daemon(host, observing) as daemon:
        daemon.wait_guest(web.name, settled, "is trusted", seconds=60)
        before = live_state(web)
        web.write(TWICE)
        now = daemon.wait_guest(
            web.name, lambda now: done(now, "disk-throttle", "would-apply"), "would be narrowed"
        )
        assert now["mode"] == "observe"
        assert now["band"] != "trusted"
        assert {action["status"] for action in now["actions"]} == {"would-apply"}
        assert web.rates().written > ENVELOPE
        assert live_state(web) == before
        daemon.stop()


def test_kill_and_restart_forget_nothing(host, trio, policy):
    """A daemon that is killed while a guest is narrowed finds it narrowed, never shows it trusted
    meanwhile, and still gives back exactly what was there before."""
    web = trio[0]
    policy = policy.replace("rise: 360/h", "rise: 36/h")
    with Daemon(host, policy) as daemon:
        daemon.wait_guest(web.name, settled, "is trusted", seconds=60)
        before = live_state(web)
        web.write(TWICE)
        daemon.wait_guest(web.name, lambda now: done(now, "disk-throttle"), "is narrowed")
        fallen = daemon.guest(web.name)["trust"]
        daemon.kill()
        narrowed = live_state(web)
        assert narrowed != before
        web.quiet()
        daemon.start()
        first = daemon.guest(web.name)
        assert first["band"] != "trusted"
        assert first["trust"] <= fallen + 0.05
        assert live_state(web) == narrowed
        daemon.wait_guest(web.name, restored, "is restored", seconds=120)
        assert live_state(web) == before
        daemon.stop()


def test_stop_gives_back_or_keeps_by_setting(host, trio, policy):
    """With on_stop: keep a guest stays narrowed when the daemon stops; with restore it does not."""
    web = trio[0]
    before = live_state(web)
    daemon = Daemon(host, policy, on_stop="keep")
    with daemon:
        daemon.wait_guest(web.name, fresh, "is calm", seconds=60)
        web.write(TWICE)
        daemon.wait_guest(web.name, lambda now: done(now, "disk-throttle"), "is narrowed")
        daemon.stop()
        assert live_state(web) != before
        daemon.settings["on_stop"] = "restore"
        daemon.start()
        daemon.wait_guest(web.name, lambda now: done(now, "disk-throttle"), "is still narrowed")
        daemon.stop()
        assert live_state(web) == before
        daemon.start()
        web.quiet()
        daemon.wait_guest(web.name, restored, "is trusted again", seconds=120)
        daemon.stop()
    assert live_state(web) == before
