"""An operator's word on a real guest: it counts at once, for whoever may, and is never lost."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass

import pytest

from tests.e2e.test_line import TWICE, done, restored, settled
from tests.lab.daemon import DIRECTORY, SOCKET, Daemon

pytestmark = pytest.mark.lab

NOBODY = 65534
AS_NOBODY = f"""
import http.client, os, socket, sys
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
connection = http.client.HTTPConnection("trustd")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(sys.argv[1])
json = {{"Content-Type": "application/json"}}
connection.request("POST", sys.argv[2], '{{"verdict": "benign"}}', json)
print(connection.getresponse().read().decode())
"""
READ_JOURNAL = """
import json, sqlite3, sys
found = sqlite3.connect(sys.argv[1]).execute(
    "SELECT guest, document FROM transition WHERE kind = ? ORDER BY id", (sys.argv[2],)
)
print(json.dumps(found.fetchall()))
"""
SLOWLY = 0.01
"""How much trust rises by itself in a tick, under the policy of these tests."""


@dataclass(frozen=True, slots=True)
class Fallen:
    """A guest that left its envelope and is quiet again.

    Args:
        told: what ``trustctl explain`` said while it went on.
    """

    daemon: Daemon
    told: str


@pytest.fixture
def fallen(host, trio, policy):
    """By itself web-1 would be back in minutes."""
    web = trio[0]
    slow = policy.replace("rise: 360/h", f"rise: {3600 * SLOWLY:g}/h")
    assert slow != policy
    with Daemon(host, policy) as daemon:
        daemon.wait_guest(web.name, settled, "is trusted", seconds=60)
        daemon.policy.write_text(slow, "utf-8")
        daemon.signal(signal.SIGHUP)
        daemon.wait(lambda: daemon.get("/v1/policy")["text"] == slow, "the slow policy is in force")
        web.write(TWICE)
        daemon.wait_guest(web.name, lambda now: done(now, "disk-throttle"), "is narrowed")
        told = daemon.trustctl("explain", web.name, "-o", "table")
        web.quiet()
        daemon.wait_guest(web.name, lambda now: not now["findings"], "gives no further cause")
        yield Fallen(daemon, told)


def ack(daemon, guest, verdict, *options):
    """What ``trustctl ack`` answers."""
    return json.loads(daemon.trustctl("ack", guest, verdict, *options, "-o", "json"))


def journal(daemon, kind):
    """Its entries of one kind, oldest first."""
    path = f"{DIRECTORY}/state/trustd.db"
    told = daemon.hypervisor.run(sys.executable, "-c", READ_JOURNAL, path, kind).stdout
    return [(guest, json.loads(document)) for guest, document in json.loads(told)]


def test_benign_restores_at_once_and_outlives_a_kill(fallen, trio):
    """A guest that fell is trusted again by an operator's word, which is journalled with its
    author; the daemon that is killed right after the answer knows it when it is back."""
    web, daemon = trio[0], fallen.daemon
    low = daemon.guest(web.name)["trust"]
    assert low < 0.5
    before = len(journal(daemon, "acknowledge"))
    answer = ack(daemon, web.name, "benign", "--reason", "the new backup")
    daemon.kill()
    assert answer["before"] == pytest.approx(low, abs=10 * SLOWLY)
    assert answer["after"] > 0.8
    (guest, said), *_ = journal(daemon, "acknowledge")[before:]
    assert guest == web.uuid
    assert (said["verdict"], said["reason"], said["uid"]) == ("benign", "the new backup", 0)
    assert said["before"] == pytest.approx(answer["before"], abs=1e-3)
    assert said["after"] == pytest.approx(answer["after"], abs=1e-3)
    daemon.start()
    assert daemon.guest(web.name)["trust"] > 0.8
    daemon.wait_guest(web.name, restored, "is given everything back")


def test_explanation_says_what_was_seen_taken_and_what_gives_it_back(fallen):
    """While a guest is narrowed, its explanation has the signal against its bound, the lever with
    its state, the permission that was lost, and when trust can be back."""
    told = " ".join(fallen.told.split())  # a narrow terminal breaks lines anywhere
    for words in ("major: disk.write.bytes", "4.19 MB/s", "holds trust at 0.35", "write on volume"):
        assert words in told
    assert "disk-throttle on vda" in told
    assert "at the earliest in" in told


def test_attack_gives_nothing_back(fallen, trio):
    """An operator who confirms an attack does not raise trust by it."""
    web, daemon = trio[0], fallen.daemon
    before = daemon.guest(web.name)["trust"]
    answer = ack(daemon, web.name, "attack", "--reason", "ransomware")
    assert answer["after"] <= before + 10 * SLOWLY
    assert daemon.guest(web.name)["trust"] < 0.5
    assert journal(daemon, "acknowledge")[-1][1]["verdict"] == "attack"


def test_whoever_may_not_is_refused(fallen, trio):
    """Another user reaches the socket and changes nothing: 403, and the journal has the attempt."""
    web, daemon = trio[0], fallen.daemon
    before = daemon.guest(web.name)["trust"]
    words = len(journal(daemon, "acknowledge"))
    daemon.hypervisor.path(SOCKET).chmod(0o666)
    path = f"/v1/guests/{web.name}/acknowledge"
    answer = daemon.hypervisor.run(sys.executable, "-c", AS_NOBODY, SOCKET, path).stdout
    assert json.loads(answer)["status"] == 403
    assert daemon.guest(web.name)["trust"] < before + 20 * SLOWLY
    daemon.wait(lambda: journal(daemon, "refused"), "it is journalled")
    _, refused = journal(daemon, "refused")[-1]
    assert refused["uid"] == NOBODY
    assert refused["path"].endswith("/acknowledge")
    assert len(journal(daemon, "acknowledge")) == words
