"""Who may do what, on real guests: why, what would change, labels at run time, decisions."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.conformance.client import EVALUATION, Client
from tests.e2e.line import TOO_MUCH, last_without, reload, tick, ticks, unforgiving
from tests.lab.daemon import SOCKET, Daemon
from tests.lab.errors import LabError

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

CALLERS = {
    "callers": [{"name": "storage", "user": os.getuid(), "dialects": ["authzen"]}],
    # a late answer is a denial, and these tests are about what is answered
    "deadline": "10s",
}


def trusted(guest):
    return guest["freshness"] == "fresh" and guest["band"] == "trusted"


def volume(daemon, name):
    return daemon.guest(name)["disks"][0]["identity"]


def ask(daemon, name, action):
    """What a storage service on the host is answered."""
    client = Client(f"unix:{daemon.hypervisor.path(SOCKET)}")
    document = {
        "subject": {"type": "guest", "id": daemon.guest(name)["id"]},
        "action": {"name": action},
        "resource": {"type": "volume", "id": volume(daemon, name)},
    }
    return client.post(EVALUATION, document).document["decision"]


def test_answers_follow_the_guests_band(host, trio, policy):
    """A guest whose labels match is answered no while it misbehaves, with the reason, and yes when
    it has behaved again; answers and effective permissions never disagree."""
    web = trio[0]
    with Daemon(host, policy, decisions=CALLERS) as daemon:
        daemon.wait_guest(web.name, trusted, "is trusted", seconds=60)
        assert ask(daemon, web.name, "write")
        reload(daemon, unforgiving(policy))
        web.write(TOO_MUCH)
        daemon.wait(lambda: not ask(daemon, web.name, "write"), "writing is denied", seconds=60)
        assert ask(daemon, web.name, "read")
        found = daemon.trustctl(
            "why",
            web.name,
            "write",
            f"volume:{volume(daemon, web.name)}",
            "-o",
            "json",
            check=False,
        )
        told = json.loads(found)
        assert told["permit"] is False
        assert told["reason"].startswith("band-")
        assert told["nearest"]
        target = f"volume:{volume(daemon, web.name)}"
        shown = daemon.trustctl("why", web.name, "write", target, "-o", "table", check=False)
        assert told["text"][:40] in shown
        assert told["reason"] in daemon.trustctl("can-i", web.name, "--list", "-o", "table")
        assert daemon.trustctl("can-i", web.name, "write", target, check=False).startswith("no\t")
        assert daemon.trustctl("can-i", web.name, "read", target).startswith("yes\t")
        lost = daemon.guest(web.name)["access"][0]["lost"]
        assert "write" in lost
        fallen = time.time()
        web.quiet()
        reload(daemon, policy)
        daemon.wait(lambda: ask(daemon, web.name, "write"), "writing is permitted", seconds=120)
        options = ("--at", str(fallen), "-o", "json")
        then = json.loads(daemon.trustctl("why", web.name, "write", target, *options, check=False))
        assert (then["permit"], then["reason"]) == (False, told["reason"])
        assert then["labels"] == told["labels"]
        assert then["notes"]
        assert then["recorded"]["permit"] is False
        daemon.wait(lambda: "default" in daemon.trustctl("objects", "network"), "networks listed")
        daemon.stop()


def test_diff_shows_what_changes_on_live_guests(host, trio, observing):
    """A policy that takes one action from one role revokes exactly that, on exactly its guests; the
    policy in force against itself changes nothing."""
    web = trio[0]
    with Daemon(host, observing, decisions=CALLERS) as daemon:
        for guest in trio:
            daemon.wait_guest(guest.name, trusted, "is trusted", seconds=60)
        current = host.path("/var/lib/trustd-lab/current.yaml")
        current.write_text(observing)
        new = host.path("/var/lib/trustd-lab/new.yaml")
        new.write_text(
            observing + f'\nforbid:\n  - {{subject: {{id: "{web.uuid}"}}, actions: [write],'
            " reason: no writes}\n"
        )
        same = daemon.trustctl("policy", "diff", "/var/lib/trustd-lab/current.yaml")
        assert same == ""
        out = daemon.trustctl("policy", "diff", "/var/lib/trustd-lab/new.yaml", "-o", "json")
        found = json.loads(out)
        assert found["granted"] == found["moved"] == found["broken"] == []
        assert {(each["name"], each["action"]) for each in found["revoked"]} == {
            (web.name, "write")
        }
        assert volume(daemon, web.name) in {each["id"] for each in found["revoked"]}
        with pytest.raises(LabError):
            daemon.trustctl("policy", "diff", "/var/lib/trustd-lab/new.yaml", "--fail-on", "revoke")
        daemon.stop()


def test_label_gives_a_guest_another_role(host, trio, observing):
    """A label set at run time gives the guest another role within two ticks, in the line and in
    answers alike; taken away, all is as before, also after a restart."""
    web = trio[0]
    with Daemon(host, observing, decisions=CALLERS) as daemon:
        daemon.wait_guest(web.name, trusted, "is trusted", seconds=60)
        roles = daemon.guest(web.name)["roles"]
        daemon.trustctl("label", web.name, "app=nothing")
        answered = tick(daemon)
        changed = lambda now: now["roles"] != roles  # noqa: E731
        seen = ticks(daemon, [web.name], changed)[web.name]
        assert last_without(seen, changed) < answered + 2
        assert daemon.guest(web.name)["labels"]["app"] == "nothing"
        assert not ask(daemon, web.name, "read")
        daemon.stop()
        daemon.start()
        assert daemon.guest(web.name)["labels"]["app"] == "nothing"
        daemon.trustctl("label", web.name, "app-")
        daemon.wait_guest(web.name, lambda now: now["roles"] == roles, "has its roles again")
        listed = daemon.trustctl("can-i", web.name, "--list")
        assert f"volume\t{volume(daemon, web.name)}\tread\tpermit" in listed
        daemon.stop()
