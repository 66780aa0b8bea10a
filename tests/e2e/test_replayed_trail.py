"""The audit trail of real guests, replayed, says what is narrowed on them, and what was."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest

from tests.e2e.line import TOO_MUCH, done, fresh, reload, restored, unforgiving
from tests.lab.daemon import Daemon

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def narrowed(guest):
    return sorted(
        f"{each['lever']} {each['device']}".strip()
        for each in guest["actions"]
        if each["status"] in {"applied", "held"}
    )


def replayed(daemon, *words):
    """By name what the trail says of each guest."""
    found = json.loads(daemon.trustctl("audit", "replay", "-o", "json", *words))
    return {each["name"]: each for each in found["guests"]}


def agrees(daemon, web):
    """Whether the trail says of a guest what the daemon does; its journal may be a tick behind."""
    now, told = daemon.guest(web.name), replayed(daemon)[web.name]
    return (narrowed(now), now["band"]) == (told["narrowed"], told["band"])


def test_the_trail_says_what_is_narrowed(host, trio, policy):
    """Narrowed, over a kill, given back at a stop and narrowed again: each time the replayed trail
    has the devices that the daemon has; and afterwards it still tells what was at which time."""
    web = trio[0]
    daemon = Daemon(host, policy, on_stop="restore")
    with daemon:
        daemon.wait_guest(web.name, fresh, "is calm", seconds=60)
        reload(daemon, unforgiving(policy))
        calm = time.time()
        web.write(TOO_MUCH)
        daemon.wait_guest(web.name, lambda now: done(now, "disk-throttle"), "is narrowed")
        daemon.wait(lambda: agrees(daemon, web), "the trail agrees")
        assert replayed(daemon)[web.name]["narrowed"]
        daemon.kill()
        low = time.time()
        daemon.start()
        daemon.wait_guest(web.name, lambda now: done(now, "disk-throttle"), "is still narrowed")
        daemon.wait(lambda: agrees(daemon, web), "the trail agrees")
        daemon.stop()
        stopped = time.time()
        daemon.start()
        daemon.wait_guest(web.name, lambda now: done(now, "disk-throttle"), "is narrowed again")
        daemon.wait(lambda: agrees(daemon, web), "the trail agrees")
        web.quiet()
        reload(daemon, policy)
        daemon.wait_guest(web.name, restored, "is trusted again", seconds=120)
        daemon.wait(lambda: agrees(daemon, web), "the trail agrees")
        now = replayed(daemon)
        assert {each["name"] for each in now.values()} == {guest.name for guest in trio}
        assert not any(each["narrowed"] for each in now.values())

        def then(at):
            moment = datetime.fromtimestamp(at, UTC).isoformat()
            return bool(replayed(daemon, "--at", moment)[web.name]["narrowed"])

        assert [then(at) for at in (calm, low, stopped)] == [False, True, False]
        daemon.stop()
