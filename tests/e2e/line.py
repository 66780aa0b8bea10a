"""What tests of the whole line say of a guest, do to a policy, and watch from tick to tick."""

from __future__ import annotations

import signal
import time

ENVELOPE = 2**20
"""Bytes a second that the policy lets a guest write."""
TOO_MUCH = 8 * ENVELOPE
"""So much that a guest which gets a fraction of it done leaves its envelope all the same."""


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


def unforgiving(policy):
    """The same policy, by which who fell does not rise while a test looks, however slow it is."""
    slow = policy.replace("rise: 360/h", "rise: 0.36/h")
    assert slow != policy
    return slow


def reload(daemon, policy):
    """Have a daemon go on under another policy; return when it does."""
    daemon.policy.write_text(policy, "utf-8")
    daemon.signal(signal.SIGHUP)
    daemon.wait(lambda: daemon.get("/v1/policy")["text"] == policy, "it is reloaded", seconds=60)


def tick(daemon):
    """The number of the last one."""
    return daemon.get("/v1/status")["tick"]


def ticks(daemon, names, until, seconds=60):
    """Ticks of some guests as they come, until a condition on the first of them holds.

    Whoever asks slowly misses some.
    """
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
        time.sleep(0.02)


def first_excess(seen):
    """The tick in which a guest first wrote too much; the last of all where nobody saw it.

    Args:
        seen: ticks of the guest, as :func:`ticks` has them.
    """
    for now in seen:
        if (now["samples"]["disk.write.bytes"]["value"] or 0) > ENVELOPE:
            return now["tick"]
    return seen[-1]["tick"]


def acted(seen, lever):
    """The tick in which a lever was first pulled, by the action's own stamp.

    libvirt may take its time on a busy machine, and a tick may pass before somebody looks: that
    is no delay of trustd's.

    Args:
        seen: ticks of one guest, as :func:`ticks` has them.
    """
    at = next(action["at"] for now in seen for action in now["actions"] if action["lever"] == lever)
    before = [now["tick"] for now in seen if now["at"] < at]
    return 1 + max(before) if before else seen[0]["tick"]


def last_without(seen, condition):
    """The last tick of those seen at which a condition did not hold yet; 0 where it always did."""
    return max((now["tick"] for now in seen if not condition(now)), default=0)
