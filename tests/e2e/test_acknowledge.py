"""An operator's word on a real guest: it counts at once, for whoever may, and is never lost."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager

import pytest

from tests.e2e.line import TOO_MUCH, done, reload, restored, settled, unforgiving
from tests.lab.daemon import DIRECTORY, SOCKET, Daemon

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

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
BY_ITSELF = 0.05
"""Trust rises by less than this while a test looks: by 0.36 an hour."""


@contextmanager
def narrowed(host, web, policy):
    """A daemon that has just narrowed web-1, which goes on; by itself it is not back for hours."""
    with Daemon(host, policy) as daemon:
        daemon.wait_guest(web.name, settled, "is trusted", seconds=90)
        reload(daemon, unforgiving(policy))
        web.write(TOO_MUCH)
        daemon.wait_guest(web.name, lambda now: done(now, "disk-throttle"), "is narrowed")
        yield daemon


@pytest.fixture
def fallen(host, trio, policy):
    """The daemon, web-1 having left its envelope and being quiet again."""
    web = trio[0]
    with narrowed(host, web, policy) as daemon:
        web.quiet()
        daemon.wait_guest(web.name, lambda now: not now["findings"], "gives no further cause")
        yield daemon


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
    web, daemon = trio[0], fallen
    low = daemon.guest(web.name)["trust"]
    assert low < 0.5
    before = len(journal(daemon, "acknowledge"))
    answer = ack(daemon, web.name, "benign", "--reason", "the new backup")
    daemon.kill()
    assert answer["before"] == pytest.approx(low, abs=BY_ITSELF)
    assert answer["after"] > 0.8
    (guest, said), *_ = journal(daemon, "acknowledge")[before:]
    assert guest == web.uuid
    assert (said["verdict"], said["reason"], said["uid"]) == ("benign", "the new backup", 0)
    assert said["before"] == pytest.approx(answer["before"], abs=1e-3)
    assert said["after"] == pytest.approx(answer["after"], abs=1e-3)
    daemon.start()
    assert daemon.guest(web.name)["trust"] > 0.8
    daemon.wait_guest(web.name, restored, "is given everything back")


def test_explanation_says_what_was_seen_taken_and_what_gives_it_back(host, trio, policy):
    """While a guest is narrowed, its explanation has the signal against its bound, the lever with
    its state, the permission that was lost, and when trust can be back."""
    # that it is inside its bounds counts after as long, so that there is time to ask
    lasting = policy.replace("{max: 1MiB/s,", "{max: 1MiB/s, for: 10s,")
    assert lasting != policy
    with narrowed(host, trio[0], lasting) as daemon:
        told = daemon.trustctl("explain", trio[0].name, "-o", "table")
    told = " ".join(told.split())  # a narrow terminal breaks lines anywhere
    for words in ("major: disk.write.bytes", "1.05 MB/s", "holds trust at 0.35", "write on volume"):
        assert words in told
    assert "disk-throttle on vda" in told
    assert "at the earliest in" in told


def test_attack_gives_nothing_back(fallen, trio):
    """An operator who confirms an attack does not raise trust by it."""
    web, daemon = trio[0], fallen
    before = daemon.guest(web.name)["trust"]
    answer = ack(daemon, web.name, "attack", "--reason", "ransomware")
    assert answer["after"] <= before + BY_ITSELF
    assert daemon.guest(web.name)["trust"] < 0.5
    assert journal(daemon, "acknowledge")[-1][1]["verdict"] == "attack"


def test_whoever_may_not_is_refused(fallen, trio):
    """Another user reaches the socket and changes nothing: 403, and the journal has the attempt."""
    web, daemon = trio[0], fallen
    before = daemon.guest(web.name)["trust"]
    words = len(journal(daemon, "acknowledge"))
    daemon.hypervisor.path(SOCKET).chmod(0o666)
    path = f"/v1/guests/{web.name}/acknowledge"
    answer = daemon.hypervisor.run(sys.executable, "-c", AS_NOBODY, SOCKET, path).stdout
    assert json.loads(answer)["status"] == 403
    assert daemon.guest(web.name)["trust"] < before + BY_ITSELF
    daemon.wait(lambda: journal(daemon, "refused"), "it is journalled")
    _, refused = journal(daemon, "refused")[-1]
    assert refused["uid"] == NOBODY
    assert refused["path"].endswith("/acknowledge")
    assert len(journal(daemon, "acknowledge")) == words
