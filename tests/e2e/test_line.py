"""The whole line on real guests: collect, score, decide, narrow, give back."""

from __future__ import annotations

import pytest

from tests.e2e.line import (
    ENVELOPE,
    TOO_MUCH,
    acted,
    done,
    first_excess,
    fresh,
    reload,
    restored,
    settled,
    ticks,
    unforgiving,
)
from tests.lab.daemon import Daemon
from tests.lab.state import live_state
from tests.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

STILL = 0.1
"""By so much trust may move of a guest that is not to blame: a sample that comes late costs a
little for a moment, blame a third at least."""


def test_misbehaving_guest_is_narrowed_at_once_and_given_everything_back(host, trio, policy):
    """A guest is narrowed within two ticks of its first bad sample, its neighbours' trust does not
    move, and after recovery its definitions and every tunable are what they were."""
    web, neighbour, database = trio
    with Daemon(host, policy) as daemon:
        for guest in trio:
            daemon.wait_guest(guest.name, settled, "is trusted", seconds=60)
        before = live_state(web)
        trust = {guest.name: daemon.guest(guest.name)["trust"] for guest in (neighbour, database)}

        web.write(TOO_MUCH)
        seen = ticks(
            daemon,
            [web.name, neighbour.name, database.name],
            lambda now: done(now, "disk-throttle"),
        )
        assert acted(seen[web.name], "disk-throttle") <= first_excess(seen[web.name]) + 2
        narrowed = seen[web.name][-1]
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
                    assert now["trust"] == pytest.approx(expected, abs=STILL)
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
        web.write(TOO_MUCH)
        now = daemon.wait_guest(
            web.name, lambda now: done(now, "disk-throttle", "would-apply"), "would be narrowed"
        )
        assert now["mode"] == "observe"
        assert now["band"] != "trusted"
        assert {action["status"] for action in now["actions"]} == {"would-apply"}
        wait_until(lambda: web.rates().written > ENVELOPE, "it goes on", seconds=60)
        assert live_state(web) == before
        daemon.stop()


def test_kill_and_restart_forget_nothing(host, trio, policy):
    """A daemon that is killed while a guest is narrowed finds it narrowed, never shows it trusted
    meanwhile, and still gives back exactly what was there before."""
    web = trio[0]
    with Daemon(host, policy) as daemon:
        daemon.wait_guest(web.name, settled, "is trusted", seconds=60)
        reload(daemon, unforgiving(policy))
        before = live_state(web)
        web.write(TOO_MUCH)
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
        reload(daemon, policy)
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
        reload(daemon, unforgiving(policy))
        web.write(TOO_MUCH)
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
        reload(daemon, policy)
        daemon.wait_guest(web.name, restored, "is trusted again", seconds=120)
        daemon.stop()
    assert live_state(web) == before
