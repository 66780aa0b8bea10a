"""What the line goes by: labels of every source, walls, roles that exclude each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.decisions.serving import AUTHZEN, guest
from trustd.daemon.source import Source
from trustd.errors import PolicyError
from trustd.model import Disk, Freshness, Guest, GuestId, GuestState
from trustd.pipeline import Narrowing, Registry
from trustd.pipeline.registry import Labelling
from trustd.policy import load_policy, load_registry
from trustd.policy.walls import NOBODY, occupancy

TEXT = AUTHZEN.read_text("utf-8")
WALLED = TEXT.replace(
    "mode: history}",
    "mode: history}\n  - {name: hosts, label: tenant, conflicts: [[acme, bolt]], mode: running}",
)
VOLUME = "/pool/web.qcow2"


def plain(number, state=GuestState.RUNNING, disks=(), **labels):
    made = guest(number, **labels)
    return Guest(made.id, made.name, state, labels, disks=disks)


def held(narrowing, who):
    verdict = narrowing.judge(who.id, 0.9, how=Freshness.FRESH, at=2.0, clock=2.0, stale_for=0.0)
    return {access.object.id: set(access.held) for access in verdict.permissions.access}


def test_labels_of_every_source_in_their_order():
    """The administrator's label wins over the file's, and that over the policy's own."""
    policy = load_policy(TEXT, "policy.yaml")
    document = load_registry(
        "apiVersion: trustd/v1\nobjects:\n  - {type: record, id: r1, labels: {owner: bob}}\n"
        "subjects:\n  - {type: user, id: alice, labels: {department: [law, hr]}}\n",
        "objects.yaml",
    )
    given = {("record", "r1"): {"state": "sealed"}, ("user", "alice"): {"role": "manager"}}
    registry = Registry.of(policy, document, given)
    labels = {ref.id: found for ref, found in registry.objects.items()}
    assert labels["r1"] == {"department": "sales", "owner": "bob", "state": "sealed"}
    alice = dict(registry.subjects["user", "alice"])
    assert alice == {"role": "manager", "department": ("law", "hr")}


def test_guest_stays_the_same_object_while_its_labels_do():
    """A change of one guest's labels costs no other guest its place."""
    one, two = plain(1, app="web"), plain(2, app="web")
    inventory = {one.id: one, two.id: two}
    labelling, before = Labelling(), Registry()
    first = labelling.apply(inventory, before)
    assert labelling.apply(inventory, before) is first
    after = Registry({("guest", two.id): {"app": "db"}})
    second = labelling.apply(inventory, after)
    assert second[one.id] is first[one.id]
    assert second[two.id].labels == {"app": "db"}
    assert labelling.apply(inventory, Registry())[two.id].labels == {"app": "web"}


def test_effective_permissions_meet_the_same_walls_as_answers():
    """A guest that a running wall refuses holds nothing, and holds it again when its rival goes."""
    policy = load_policy(WALLED, "policy.yaml")
    disk = (Disk("vda", VOLUME),)
    acme = plain(1, disks=disk, app="web", tenant="acme")
    standing = policy.relays.start("trusted", at=1.0)
    narrowing = Narrowing(policy)
    narrowing.follow(acme, at=1.0, saved=policy.relays.save(standing))
    assert held(narrowing, acme) == {VOLUME: {"read", "write"}}
    rival = policy.values("other", {"tenant": "bolt"})
    mine = policy.values(acme.id, acme.labels)
    occupied = occupancy(policy.walls, {"other": rival, acme.id: mine})
    narrowing.wall(occupied, lambda _: {})
    assert held(narrowing, acme) == {VOLUME: set()}
    narrowing.wall(NOBODY, lambda _: {})
    assert held(narrowing, acme) == {VOLUME: {"read", "write"}}


def test_exclusive_roles_stay_as_they_were_taken_during_a_run():
    """A change of labels gives a running guest no second of two exclusive roles; its stop does."""
    text = TEXT.replace(
        "roles: [web]}", "roles: [web]}\n  - {select: {kind: audit}, roles: [audit]}"
    )
    text = text.replace(
        "trust:\n  bands:",
        "  audit: {permits: [{actions: [read], object: volumes}]}\n\ntrust:\n  bands:",
    )
    text += "\nexclusive:\n  - {roles: [web, audit], max: 1}\n"
    policy = load_policy(text, "policy.yaml")
    narrowing = Narrowing(policy)
    who = plain(1, app="web")
    narrowing.follow(who, at=1.0)
    both = replace(who, labels={"app": "web", "kind": "audit"})
    narrowing.follow(both, at=2.0)
    assert narrowing.world()[GuestId(who.id)].subject.roles == ("web",)
    narrowing.follow(replace(both, state=GuestState.SHUTOFF), at=3.0)
    assert narrowing.world()[GuestId(who.id)].subject.roles == ()


def test_policy_that_what_runs_breaks_is_refused(tmp_path):
    """A wall between two guests that run now refuses the policy, and names both."""
    path = tmp_path / "policy.yaml"
    path.write_text(WALLED)
    source = Source(path, None, ())
    acme, bolt = plain(1, app="web", tenant="acme"), plain(2, app="web", tenant="bolt")
    assert source.read(at=0.0, running=[acme]).policy.name == "authzen"
    with pytest.raises(PolicyError, match="wall hosts refuses guest-1") as refused:
        source.read(at=0.0, running=[acme, bolt])
    assert len(refused.value.problems) == 2
    assert refused.value.line > 0
