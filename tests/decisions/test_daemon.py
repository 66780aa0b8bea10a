"""The access half of a whole daemon: reload, last good policy, labels, who may change."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conformance.client import EVALUATION, asked
from tests.decisions.running import Running
from tests.decisions.serving import AUTHZEN
from tests.lab.waiting import wait_until as wait_within

POLICY = AUTHZEN.read_text("utf-8")
CLOSED = POLICY.replace("name: authzen", "name: closed").replace("owner: $id", "owner: nobody")
CALLERS = {"callers": [{"name": "suite", "user": os.getuid(), "dialects": ["authzen"]}]}
NOBODY = 65534


@pytest.fixture
def daemon(tmp_path):
    with Running(tmp_path, POLICY, decisions=CALLERS) as found:
        yield found


def wait_until(condition, what):
    wait_within(condition, what, seconds=60)


def edits(daemon):
    """Whether the owner of a record may edit it: so in POLICY, not in CLOSED."""
    return daemon.client().post(EVALUATION, asked(action="can_edit")).document["decision"]


def error(daemon):
    return daemon.get("/v1/status")["policy"]["error"]


def test_reload_swaps_the_policy(daemon):
    """After SIGHUP every answer is of the new policy, and status, API and answers agree on it."""
    assert edits(daemon)
    before = daemon.get("/v1/policy")["id"]
    daemon.policy.write_text(CLOSED)
    daemon.reload()
    wait_until(lambda: daemon.get("/v1/policy")["name"] == "closed", "the policy is swapped")
    assert not edits(daemon)
    answer = daemon.client().post(EVALUATION, asked())
    now = daemon.get("/v1/policy")
    assert answer.headers["X-Trust-Policy"] == now["id"] != before
    assert now["text"] == CLOSED


@pytest.mark.slow
@pytest.mark.parametrize(
    "bad",
    [
        "nonsense: [",
        POLICY.replace("roles: [employee]", "roles: [emploee]"),
        POLICY + "\nnever:\n  - {actions: [can_view], object: records}\n",
    ],
    ids=["syntax", "reference", "never"],
)
def test_bad_reload_keeps_the_policy_and_says_so(daemon, bad):
    """A policy that is wrong changes no answer; log, status and metric tell of it."""
    good = daemon.get("/v1/policy")["id"]
    daemon.policy.write_text(bad)
    daemon.reload()
    wait_until(lambda: error(daemon), "the refusal is told")
    assert str(daemon.policy) in error(daemon)
    assert daemon.get("/v1/policy")["id"] == good
    assert edits(daemon)
    assert "policy refused" in daemon.log()
    metrics = daemon.client().send("GET", "/metrics").body.decode()
    assert "trustd_policy_last_reload_successful 0" in metrics
    daemon.policy.write_text(CLOSED)
    daemon.reload()
    wait_until(lambda: not error(daemon), "the next good one is taken")
    assert not edits(daemon)


@pytest.mark.slow
def test_tests_beside_a_policy_refuse_it(daemon):
    """A policy that fails the tests that stand beside it does not come into force."""
    cases = {
        "apiVersion": "trustd/v1",
        "policy": "../policy.yaml",
        "subjects": {"alice": {"type": "user", "labels": {"role": "employee"}}},
        "objects": {"hers": {"type": "record", "labels": {"owner": "alice"}}},
        "cases": [
            {
                "name": "owners edit",
                "subject": "alice",
                "object": "hers",
                "expect": {"can_edit": "permit"},
            }
        ],
    }
    folder = daemon.directory / "tests"
    folder.mkdir()
    (folder / "owners.yaml").write_text(json.dumps(cases))
    daemon.policy.write_text(CLOSED)
    daemon.reload()
    wait_until(lambda: error(daemon), "the refusal is told")
    assert "owners edit" in error(daemon)
    assert edits(daemon)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_last_good_policy_survives_a_restart(daemon, killed):
    """A start with a wrong file goes on with the last good policy, and says so loudly."""
    good = daemon.get("/v1/policy")["id"]
    daemon.policy.write_text("nonsense: [")
    daemon.kill() if killed else daemon.stop()
    daemon.start()
    assert edits(daemon)
    assert daemon.get("/v1/policy")["id"] == good
    assert str(daemon.policy) in error(daemon)
    assert "the last good one is in force" in daemon.log()
    metrics = daemon.client().send("GET", "/metrics").body.decode()
    assert "trustd_policy_last_reload_successful 0" in metrics


@pytest.mark.slow
def test_first_start_with_a_wrong_policy_ends_with_78(tmp_path):
    """Without a last good policy a wrong one ends the start; a check ends so in any case."""
    daemon = Running(tmp_path, "nonsense: [", decisions=CALLERS)
    (tmp_path / "trustd.yaml").write_text(json.dumps(daemon.settings))
    for command in ("run", "check-config"):
        done = subprocess.run(
            [sys.executable, "-m", "trustd", command, "--config", tmp_path / "trustd.yaml"],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 78
        assert f"{daemon.policy}:2:1: did not find" in done.stderr


@pytest.mark.slow
def test_objects_file_gives_labels(tmp_path):
    """Labels in the file beside the policy count, and are read again on a reload."""
    objects = tmp_path / "objects.yaml"
    entry = "{type: record, id: r9, labels: {owner: %s}}"
    objects.write_text("apiVersion: trustd/v1\nobjects:\n  - " + entry % "alice" + "\n")
    with Running(tmp_path, POLICY, decisions=CALLERS, objects=str(objects)) as daemon:
        question = asked(action="can_edit", record="r9")
        assert daemon.client().post(EVALUATION, question).document["decision"]
        objects.write_text("apiVersion: trustd/v1\nobjects:\n  - " + entry % "bob" + "\n")
        daemon.reload()
        wait_until(
            lambda: not daemon.client().post(EVALUATION, question).document["decision"],
            "the new labels count",
        )


@pytest.mark.slow
def test_labels_of_objects_change_at_run_time(daemon):
    """trustctl label changes what is decided, survives a restart, and is journalled by user."""
    question = asked(action="can_edit", record="r9")

    def may():
        return daemon.client().post(EVALUATION, question).document["decision"]

    assert not may()
    done = daemon.trustctl("label", "--object", "record:r9", "owner=alice", "department=law")
    assert (done.returncode, done.stderr) == (0, "")
    wait_until(may, "the label counts")
    daemon.stop()
    daemon.start()
    assert may()
    done = daemon.trustctl("label", "--object", "record:r9", "owner-")
    assert "owner" not in done.stdout
    wait_until(lambda: not may(), "the label is gone")
    shown = daemon.trustctl("label", "--object", "record:r9")
    assert shown.stdout == "department\tlaw\tset here\n"
    daemon.stop()
    changes = journal(daemon, "label")
    assert [change["uid"] for change in changes] == [os.getuid()] * 2
    assert changes[-1]["before"] == {"department": "law", "owner": "alice"}
    assert changes[-1]["after"] == {"department": "law"}


def journal(daemon, kind):
    script = (
        "import sqlite3, sys, json;"
        "rows = sqlite3.connect(sys.argv[1]).execute("
        "'SELECT document FROM transition WHERE kind = ? ORDER BY id', (sys.argv[2],));"
        "print(json.dumps([json.loads(row[0]) for row in rows]))"
    )
    path = daemon.directory / "state/trustd.db"
    command = [sys.executable, "-c", script, path, kind]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


LABELS = {"type": "record", "id": "r9", "set": {"owner": "alice"}}


@pytest.mark.slow
def test_nobody_changes_anything_over_tcp(daemon):
    """Over TCP a change is refused, whatever token is shown, and journalled."""
    answer = daemon.tcp("any").post("/v1/labels", LABELS)
    assert answer.status == 403
    assert daemon.tcp().post("/v1/policy/difference", {"text": POLICY}).status == 403
    daemon.stop()
    assert [each["uid"] for each in journal(daemon, "refused")] == [None, None]


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="another user is needed")
@pytest.mark.parametrize(("group", "status"), [(None, 403), (NOBODY, 200)])
def test_other_users_change_nothing_but_by_the_group(tmp_path, group, status):
    """Somebody who is neither root nor in the group of the settings is refused and journalled."""
    # another user has to reach the socket in it; the folders above are pytest's own
    tmp_path.chmod(0o755)
    administration = {} if group is None else {"group": group}
    with Running(tmp_path, POLICY, administration=administration) as daemon:
        daemon.socket.chmod(0o666)
        ask = (
            "import http.client, json, os, socket, sys;"
            f"os.setgroups([{NOBODY}]); os.setgid(1); os.setuid({NOBODY});"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
            "c = http.client.HTTPConnection('x'); c.sock = s;"
            "c.request('POST', '/v1/labels', sys.argv[2], {'Content-Type': 'application/json'});"
            "print(c.getresponse().status)"
        )
        command = [sys.executable, "-c", ask, daemon.socket.name, json.dumps(LABELS)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert int(done.stdout) == status
        daemon.stop()
        kind = "refused" if status == 403 else "label"
        assert [each["uid"] for each in journal(daemon, kind)] == [NOBODY]


@pytest.mark.slow
def test_what_is_decided_is_told_over_the_socket_only(daemon):
    """Over TCP, where any local user is, nothing tells what a refused caller may not know."""
    for path in ("/v1/policy", "/v1/decisions", "/v1/labels?type=record&id=r1"):
        assert daemon.client().send("GET", path).status == 200
        assert daemon.tcp().send("GET", path).status == 403
    for path in ("/v1/guests/x/why?action=a&type=b&id=c", "/v1/guests/x/can"):
        assert daemon.tcp().send("GET", path).status == 403


@pytest.mark.slow
def test_malformed_changes_are_refused(daemon):
    """A change that says nothing, or nonsense, is 400 and changes nothing."""
    for change in (
        {},
        {"type": "record", "id": "r9"},
        LABELS | {"set": {"owner": 7}},
        LABELS | {"set": {"bad name": "x"}},
        LABELS | {"set": {"owner": ""}},
        LABELS | {"set": {"owner": "a\x1b[2J"}},
        LABELS | {"remove": ["owner"]},
        LABELS | {"id": ""},
        LABELS | {"more": 1},
        [LABELS],
        LABELS | {"id": "x" * 2000},
    ):
        assert daemon.client().post("/v1/labels", change).status == 400, change
    assert daemon.client().post("/v1/labels", b"{").status == 400
    assert daemon.client().send("POST", "/v1/labels", b"{}").status == 415
    assert daemon.get("/v1/labels?type=record&id=r9")["labels"] == {}


@pytest.mark.slow
def test_decisions_can_be_read(daemon):
    """What was denied is listed with caller and reason, the newest first."""
    for action in ("can_fly", "can_walk"):
        daemon.client().post(EVALUATION, asked(action=action))
    wait_until(lambda: len(daemon.get("/v1/decisions")["decisions"]) == 2, "both are recorded")
    newest, oldest = daemon.get("/v1/decisions?subject=alice&permit=false&limit=2")["decisions"]
    assert (newest["action"], oldest["action"]) == ("can_walk", "can_fly")
    assert newest["caller"] == "suite"
    assert newest["reason"] == "unknown-action"
    assert daemon.client().send("GET", "/v1/decisions?limit=0").status == 400
    counted = b'trustd_decisions_total{dialect="authzen",reason="unknown-action"} 2'
    wait_until(lambda: counted in daemon.client().send("GET", "/metrics").body, "they are counted")


@pytest.mark.slow
def test_trustctl_policy_shows_and_compares(daemon, tmp_path):
    """Show prints the policy in force; diff of itself changes nothing; a wrong file ends with 1."""
    shown = daemon.trustctl("policy", "show", "-o", "json")
    assert json.loads(shown.stdout)["text"] == POLICY
    same = daemon.trustctl("policy", "diff", daemon.policy, "--fail-on", "any")
    assert (same.returncode, same.stdout) == (0, "")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("nonsense: 1")
    assert daemon.trustctl("policy", "diff", wrong).returncode == 1
    assert daemon.trustctl("policy", "check", wrong).returncode == 78
    assert daemon.trustctl("policy", "check", daemon.policy).returncode == 0


@pytest.mark.slow
def test_trustctl_has_tables_for_people(daemon, tmp_path):
    """Each command shows the same in a table; what is granted and revoked has its sign."""
    changed = tmp_path / "changed.yaml"
    until = "until: 2199-01-01T00:00:00Z, by: ops, reason: drill}"
    who = "{id: CHG-1, subject: {select: {app: web}}, floor: trusted, "
    what = "actions: [read], object: volumes, "
    changed.write_text(f"{POLICY}\nexceptions:\n  - {who}{what}{until}\n")
    daemon.policy.write_text(changed.read_text())
    daemon.reload()
    wait_until(lambda: daemon.get("/v1/policy")["exceptions"], "the exception is there")
    for words, expected in (
        (("exceptions",), "CHG-1"),
        (("label", "--object", "record:r1"), "sales"),
        (("policy", "show"), "name: authzen"),
        (("policy", "diff", daemon.policy), "nothing changes"),
    ):
        done = daemon.trustctl(*words, "-o", "table")
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
    assert "CHG-1\tin force" in daemon.trustctl("exceptions", "-o", "plain").stdout
