"""Another policy comes into force as a whole, or not at all; what breaks its walls is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from tests.daemon.host import Host
from tests.decisions.running import Running
from tests.lab.waiting import wait_until
from tests.pipeline.scripted import CALM, guest_id, web
from trustd.errors import PolicyError, StoreError
from trustd.model import GuestState, WallBreach
from trustd.repository import Journal

WALL = "walls: [{name: clients, label: client, conflicts: [[one, two]], mode: running}]\n"
DIALECTS = Path(__file__).parents[1] / "decisions/dialects.yaml"


def of(number, client, **other):
    return web(number, labels={"app": "web", "client": client}, **other)


@pytest.fixture
def host(tmp_path):
    """Two rivals that run on one host, where no wall is yet."""
    with Host(tmp_path, [of(0, "one"), of(1, "two")], CALM) as found:
        found.tick(2)
        found.path.write_text(CALM + WALL)
        yield found


BREACHES = (
    WallBreach(guest_id(0), "web-0", "clients", "one", "two"),
    WallBreach(guest_id(1), "web-1", "clients", "two", "one"),
)


def metric(host):
    page = generate_latest(host.meters.registry).decode()
    return [line for line in page.splitlines() if line.startswith("trustd_wall_violations{")]


def test_a_wall_that_what_runs_breaks_refuses_the_policy(host):
    """Each guest that the wall would refuse is named with its rival; the policy in force stays."""
    before = host.fleet.policy.id
    with pytest.raises(PolicyError) as refused:
        host.reloading.now()
    messages = [problem.message for problem in refused.value.problems]
    assert len(messages) == 2
    assert all("clients refuses web-" in each for each in messages)
    fleet = host.tick()
    assert fleet.policy.id == before
    assert "clients" in fleet.policy.error
    assert fleet.breaches == ()


def test_a_refused_policy_is_in_the_trail(host):
    """Who asked for a policy that was refused, and why it was, is journalled; a signal too."""
    for by in ({"uid": 7, "pid": 8}, None):
        with pytest.raises(PolicyError):
            host.reloading.now(by=by)
    host.settle()
    entries = [each for each in Journal(host.database).of("") if each.kind == "refused"]
    by_signal, by_user = (each.document for each in entries)
    assert (by_user["uid"], by_user["what"]) == (7, "policy")
    assert "clients refuses web-" in by_user["why"]
    assert by_user["before"] == host.fleet.policy.id
    assert "uid" not in by_signal


def test_labels_that_cannot_be_read_refuse_a_policy(host, monkeypatch):
    """Where the repository fails while a policy is taken over, all of the former one stays."""
    host.path.write_text(CALM.replace("rise: 360/h", "rise: 3600/h"))
    before = host.fleet.policy.id

    def failing():
        raise StoreError("the disk is gone")

    monkeypatch.setattr(host.access.stores.labels, "all", failing)
    with pytest.raises(StoreError):
        host.reloading.now()
    fleet = host.tick()
    assert (fleet.policy.id, fleet.policy.error) == (before, "the disk is gone")
    monkeypatch.undo()
    assert host.reloading.now().policy.id != before
    assert host.tick().policy.error == ""


def test_a_forced_policy_counts_and_marks_who_breaks_it(host):
    """Forced, the same policy is in force, and says of whom it is broken, in the answer, the
    journal, the log and the metric, until one of them is gone."""
    loaded = host.reloading.now(force=True, by={"uid": 7, "pid": 8})
    assert len(loaded.broken) == 2
    with capture_logs() as logs:
        fleet = host.tick()
    assert fleet.policy.id == loaded.policy.id
    assert fleet.policy.error == ""
    assert fleet.breaches == BREACHES
    assert metric(host) == ['trustd_wall_violations{wall="clients"} 2.0']
    assert sum(each["event"] == "a guest runs against a wall" for each in logs) == 2
    host.settle()
    (entry,) = [each for each in Journal(host.database).of("") if each.kind == "policy"]
    assert entry.document["forced"] is True
    assert entry.document["uid"] == 7
    assert len(entry.document["violations"]) == 2
    host.hypervisor.change(of(1, "two", state=GuestState.SHUTOFF))
    assert host.tick().breaches == ()
    assert metric(host) == []


def test_force_forgives_no_mistake(host):
    """What is wrong in itself is refused, forced or not."""
    host.path.write_text(CALM + WALL + "nonsense: 1\n")
    with pytest.raises(PolicyError, match="nonsense"):
        host.reloading.now(force=True)


def test_what_breaks_a_wall_at_the_start_is_told(tmp_path):
    """At a start nobody knows yet what runs: the first tick tells, of unlabelled guests too."""
    with Host(tmp_path, [of(0, "one"), of(1, "two"), web(2)], CALM + WALL) as host:
        with capture_logs() as logs:
            fleet = host.tick()
        unlabelled = WallBreach(guest_id(2), "web-2", "clients", "", "")
        assert fleet.breaches == (*BREACHES, unlabelled)
        told = {each["name"] for each in logs if each["event"] == "a guest runs against a wall"}
        assert told == {"web-0", "web-1", "web-2"}
        with capture_logs() as logs:
            host.tick(2)
        assert not [each for each in logs if each["event"] == "a guest runs against a wall"]


@pytest.mark.slow
def test_trustctl_reloads(tmp_path):
    """The operator's reload answers with the mistakes and 78, or with the policy that came into
    force; the daemon goes by it from its next tick on."""
    good = DIALECTS.read_text("utf-8")
    with Running(tmp_path, good) as daemon:
        before = daemon.get("/v1/policy")["id"]
        daemon.policy.write_text(good + "nonsense: 1\n")
        refused = daemon.trustctl("policy", "reload")
        assert refused.returncode == 78, refused
        assert "nonsense" in refused.stderr
        assert daemon.get("/v1/policy")["id"] == before
        assert "nonsense" in daemon.get("/v1/policy")["error"]
        daemon.policy.write_text(good.replace("name: dialects", "name: another"))
        taken = daemon.trustctl("policy", "reload", "-o", "json")
        assert taken.returncode == 0, taken
        found = json.loads(taken.stdout)
        assert found["name"] == "another"
        assert found["id"] != before
        wait_until(
            lambda: daemon.get("/v1/policy")["id"] == found["id"], "it is gone by", seconds=90
        )
        over_tcp = daemon.tcp().post("/v1/policy/reload", {"force": True})
        assert over_tcp.status == 403
