"""Decisions: every one with its reason, and what gave it."""

import pytest
from base_questions import DB, NET, NOW, VOLUME, WEB, ask, reason

from trustd.model import EffectivePermissions, Mode, ObjectRef
from trustd.policy import REASONS, decide, effective, explain


def test_a_permit_names_its_role_set_band_mode_and_policy(policy_of):
    """A permit can be traced to the rule that gave it."""
    policy = policy_of()
    decision = ask(policy, "write", band="guarded").decision
    assert (decision.permit, decision.reason, decision.role) == (True, "permit", "web")
    assert (decision.band, decision.mode, decision.policy) == (
        "guarded",
        Mode.OBSERVE,
        policy.id,
    )
    assert decision.detail == {"object_set": "web-data"}


def test_what_is_not_known_is_denied_by_name(policy_of):
    """Action first, then subject, then type; the band shown is the guest's own."""
    policy = policy_of()
    fly = ask(policy, "fly", band="guarded").decision
    assert (fly.permit, fly.reason, fly.detail) == (False, "unknown-action", {"action": "fly"})
    assert (fly.band, fly.mode, fly.policy, fly.role) == ("guarded", Mode.OBSERVE, policy.id, "")
    nobody = decide(policy, None, "read", None, band="guarded", at=0).decision
    assert (nobody.permit, nobody.reason, nobody.band) == (False, "unknown-subject", "guarded")
    assert (nobody.detail, nobody.mode) == ({}, Mode.OBSERVE)
    assert decide(policy, None, "fly", None, band="", at=0).decision.reason == "unknown-action"
    strange = ask(policy, "read", ObjectRef("tape", "t")).decision
    assert (strange.permit, strange.reason, strange.detail) == (False, "unknown-type", {})
    assert policy.subject("host", "h", {}) is None


def test_what_another_policy_made_is_not_judged(policy_of):
    """After a reload subjects and targets are made anew; a mixture is an error."""
    old, new = policy_of(), policy_of(replaced={"enter: 0.80": "enter: 0.81"})
    same = policy_of()
    mine = old.subject("guest", "g", WEB), old.target(VOLUME, WEB)
    theirs = new.subject("guest", "g", WEB), new.target(VOLUME, WEB)
    for subject, target in ((mine[0], theirs[1]), (theirs[0], mine[1])):
        for policy in (old, new):
            with pytest.raises(ValueError, match="made by the policy"):
                decide(policy, subject, "read", target, band="trusted", at=0)
    assert decide(same, mine[0], "read", mine[1], band="trusted", at=0).decision.permit


def test_a_band_that_is_not_known_is_the_last(policy_of):
    """A name from elsewhere gives nothing."""
    decision = ask(policy_of(), "read", band="excellent").decision
    assert (decision.reason, decision.band) == ("band-cap", "isolated")


def test_roles_come_from_labels_and_nothing_else(policy_of):
    """Without a fitting rule there is no role; a selector asks for all its labels."""
    policy = policy_of()
    assert policy.roles_of(WEB) == ("web",)
    assert policy.roles_of(DB) == ("db",)
    assert policy.roles_of({"app": "db"}) == ()
    assert reason(policy, "read", guest={"app": "mail"}) == "no-role"
    assert reason(policy, "snapshot") == "no-grant"
    assert reason(policy, "read", labels={}) == "no-grant"


def test_match_compares_labels_of_subject_and_object(policy_of):
    """Another tenant's volume is refused, and so is one without a tenant."""
    policy = policy_of()
    decision = ask(policy, "read", labels={"app": "web", "tenant": "bolt"}).decision
    assert (decision.permit, decision.reason, decision.role) == (False, "match", "web")
    assert decision.detail == {
        "object_set": "web-data",
        "object_label": "tenant",
        "label": "tenant",
    }
    assert (decision.band, decision.policy) == ("trusted", policy.id)
    assert reason(policy, "read", labels={"app": "web"}) == "match"
    assert reason(policy, "read", guest={"app": "web"}, labels={"app": "web"}) == "match"


def test_an_empty_label_is_no_label(policy_of):
    """Two that have no tenant are not of one tenant, nor of one colour."""
    policy = policy_of("types: [{label: colour, types: [network]}]\n")
    nobody = {"app": "web", "tenant": ""}
    assert reason(policy, "read", guest=nobody, labels=nobody) == "match"
    bare = {**WEB, "colour": "red,"}
    assert reason(policy, "send", NET, {"colour": ",blue"}, guest=bare) == "type"
    assert reason(policy, "send", NET, {"colour": "blue , red"}, guest=bare) == "permit"
    assert reason(policy, "read", guest={**WEB, "tenant": " acme"}) == "match"


def test_a_user_is_not_measured_and_owns_by_its_id(policy_of):
    """Users sit in the best band whatever band is passed; $id is the identity."""
    policy = policy_of()
    clerk = {"job": "clerk"}
    mine = {"app": "db", "owner": "ann"}
    for band in ("trusted", "isolated"):
        found = ask(
            policy, "read", labels=mine, guest=clerk, kind="user", identity="ann", band=band
        ).decision
        assert (found.permit, found.band) == (True, "trusted")
    assert reason(policy, "read", labels=mine, guest=clerk, kind="user", identity="bob") == "match"
    unknown = ask(policy, "fly", guest=clerk, kind="user", identity="ann", band="isolated").decision
    assert unknown.band == "trusted"


def test_objects_of_a_service_may_have_several_values_and_volumes_not(policy_of):
    """What is shared with several users is each one's; a volume of two kinds is unknown."""
    shared = "db-data: {type: volume, select: {app: db, state: {not: [sealed]}}}"
    policy = policy_of(replaced={shared: "db-data: {type: file}"})
    file = ObjectRef("file", "f")
    for user, expected in (("ann", "permit"), ("bob", "permit"), ("eve", "match")):
        answer = ask(policy, "read", file, {"owner": ["ann", "bob"]}, guest={"job": "clerk"},
                     kind="user", identity=user)  # fmt: skip
        assert answer.decision.reason == expected
    assert policy.target(VOLUME, {"app": ["web", "db"]}) is None
    assert policy.target(VOLUME, {"app": ["web"]}).sets == policy.target(VOLUME, WEB).sets


def test_a_label_with_several_values_fits_by_any_of_them(policy_of):
    """A user with two jobs has the roles of both."""
    policy = policy_of()
    assert policy.roles_of({"job": ["boss", "clerk"]}, kind="user") == ("clerk",)
    assert policy.roles_of({"job": ["boss"]}, kind="user") == ()


def test_of_several_permits_the_first_by_name_answers(policy_of):
    """Which role is named does not depend on how the file is written."""
    policy = policy_of(
        replaced={
            "roles: [web]}": "roles: [web, also]}",
            "roles:\n  web:": "roles:\n  also:\n    permits: [{actions: [io], object: web-data}]\n"
            "  web:",
        }
    )
    assert ask(policy, "write").decision.role == "also"


def test_a_permit_is_found_behind_permits_that_do_not_fit(policy_of):
    """Neither another object set nor labels that do not match end the search."""
    first = "{actions: [io], object: web-data, match: {tenant: tenant}}"
    policy = policy_of(
        replaced={
            first: f"{{actions: [read], object: nets}}\n      - {first}\n"
            "      - {actions: [read], object: web-data, match: {zone: zone}}",
            "web-data: {type: volume, select: {app: web}}": "aaa: {type: tape}\n"
            "  web-data: {type: volume, select: {app: web}}",
            "  db:\n    permits:": "  all:\n    permits: [{actions: [read], object: aaa}]\n"
            "  db:\n    permits:",
            "roles: [web]}": "roles: [web, all]}",
        }
    )
    here = {"app": "web", "zone": "z"}
    assert reason(policy, "read") == "permit"
    assert reason(policy, "read", labels=here, guest={**WEB, "zone": "z"}) == "permit"
    assert reason(policy, "read", labels=here) == "match"


def test_the_mode_is_that_of_role_and_band(policy_of):
    """Observe wins over enforce, and either over the policy's own."""
    policy = policy_of(
        replaced={
            "name: base": "name: base\nmode: enforce",
            "{name: restricted,": "{name: restricted, mode: observe,",
            "  db:\n    permits": "  db:\n    mode: observe\n    permits",
        }
    )
    assert policy.mode_of(("web",), "trusted") is Mode.ENFORCE
    assert policy.mode_of(("web",), "restricted") is Mode.OBSERVE
    assert policy.mode_of(("web", "db"), "trusted") is Mode.OBSERVE
    assert ask(policy, "write").decision.mode is Mode.ENFORCE
    assert ask(policy, "write", band="restricted").decision.mode is Mode.OBSERVE
    enforcing = policy_of(replaced={"{name: isolated,": "{name: isolated, mode: enforce,"})
    assert enforcing.mode_of(("web",), "isolated") is Mode.ENFORCE
    assert enforcing.mode_of(("web",), "trusted") is Mode.OBSERVE
    assert decide(enforcing, None, "read", None, band="isolated", at=0).decision.mode is (
        Mode.OBSERVE
    )


def test_two_guests_of_one_role_do_not_share_answers_by_mistake(policy_of):
    """Answers are kept for reuse; guests of other modes and bands get their own."""
    policy = policy_of(
        replaced={
            "name: base": "name: base\nmode: enforce",
            "roles: [web]}": "roles: [web]}\n  - {select: {watch: x}, roles: [watched]}",
            "roles:\n  web:": "roles:\n  watched: {mode: observe}\n  web:",
        }
    )
    watched = {**WEB, "watch": "x"}
    for band in ("trusted", "restricted", "isolated"):
        for guest, mode in ((WEB, Mode.ENFORCE), (watched, Mode.OBSERVE), (WEB, Mode.ENFORCE)):
            for action, labels in (("read", None), ("write", None), ("read", {}), ("fly", None)):
                decision = ask(policy, action, labels=labels, guest=guest, band=band).decision
                assert (decision.mode, decision.band) == (mode, band)


def test_exclusive_roles_are_refused_unless_held(policy_of):
    """Too many at once: none. One held in this run: it stays, the others are refused."""
    policy = policy_of(
        "exclusive: [{roles: [web, db], max: 1}]\n",
        replaced={"{app: db, env: [prod, stage]}": "{also: db}"},
    )
    both = {"app": "web", "also": "db"}
    assert policy.roles_of({"app": "web"}) == ("web",)
    assert policy.roles_of(both) == ()
    assert policy.roles_of(both, active=("web",)) == ("web",)
    assert policy.roles_of(both, active=("web", "db")) == ()
    assert policy.roles_of({"also": "db"}, active=("web",)) == ("db",)
    assert policy.subject("guest", "g", both, ("db",)).roles == ("db",)


def test_effective_permissions_are_held_and_lost(policy_of):
    """What the band took away, object by object; strange objects have neither."""
    policy = policy_of()
    subject = policy.subject("guest", "g", WEB)
    targets = [policy.target(VOLUME, WEB), policy.target(NET, {}), policy.target(VOLUME, {})]
    found = effective(policy, subject, "restricted", targets, at=NOW)
    assert isinstance(found, EffectivePermissions)
    assert (found.band, found.roles) == ("restricted", ("web",))
    assert [(a.object, set(a.held), set(a.lost)) for a in found.access] == [
        (VOLUME, {"read", "list"}, {"write"}),
        (NET, {"send"}, {"connect"}),
        (VOLUME, set(), set()),
    ]
    best = effective(policy, subject, "trusted", targets[:1], at=NOW)
    assert (set(best.access[0].held), set(best.access[0].lost)) == (
        {"read", "list", "write"},
        set(),
    )


def test_every_reason_has_its_sentence(policy_of):
    """Explain words each reason code, and names the band, trust and time it takes."""
    policy = policy_of(
        "walls: [{name: w, label: client, conflicts: [[a, b]], mode: history}]\n"
        "types: [{label: colour, types: [device]}]\n"
        "forbid: [{actions: [connect], object: mgmt, reason: no way in}]\n"
    )
    web = policy.subject("guest", "g", WEB)
    db = policy.subject("guest", "g", DB)
    stray = policy.subject("guest", "g", {})
    mine = policy.target(VOLUME, WEB)
    rows = policy.target(VOLUME, {"app": "db"})
    rival = policy.target(VOLUME, {"app": "web", "tenant": "bolt"})
    mgmt = policy.target(NET, {"zone": "mgmt"})
    walled = policy.target(VOLUME, {**WEB, "client": "b"})
    device = policy.target(ObjectRef("device", "d"), {})
    history = {"w": frozenset({"a"})}

    def told(subject, action, target, band="trusted", **more):
        return explain(policy, subject, action, target, band=band, at=NOW, **more)

    found = [
        told(web, "read", mine),
        told(web, "fly", mine),
        told(None, "read", mine),
        told(web, "read", None),
        told(web, "connect", mgmt),
        told(web, "read", walled, history=history),
        told(web, "read", device),
        told(stray, "read", mine),
        told(web, "snapshot", mine),
        told(web, "read", rival),
        told(web, "write", mine, "restricted", trust=0.27),
        told(db, "snapshot", rows, "guarded"),
        told(web, "send", mgmt, "isolated"),
    ]
    reasons = [one.decision.reason for one in found]
    assert set(REASONS) - set(reasons) == {"band-drop"}
    assert found[10].text == "role web permits write on web-data; band restricted caps it"
    assert found[10].nearest == "band guarded permits it: trust 0.55 for 300 s, it is 0.27"
    assert found[11].nearest == "band trusted permits it: trust 0.8 for 300 s"
    assert found[5].text == "wall w stands between b and a"
    assert [(gate.name, gate.passed) for gate in found[5].gates] == [
        ("known", True), ("forbid", True), ("wall", False), ("type", None),
        ("role", None), ("match", None), ("band", None),
    ]  # fmt: skip
    assert all(gate.passed for gate in found[0].gates)
    assert found[0].nearest == ""
