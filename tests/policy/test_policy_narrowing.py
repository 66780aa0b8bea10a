"""What a band takes away, what lifts it, and whom it does not concern."""

import pytest
from base_questions import DB, NET, NOW, VOLUME, WEB, ask, reason

UNTIL = 1_036_800.0

EXCEPTION = """
exceptions:
  - {id: CHG-114, subject: {id: g}, actions: [io], object: db-data, floor: trusted,
     until: 1970-01-13T00:00:00Z, by: ops@example.org, reason: restore drill}
  - {id: CHG-115, subject: {id: g}, actions: [io], object: db-data, floor: guarded,
     until: 1970-01-14T00:00:00Z, by: ops@example.org, reason: restore drill}
"""


@pytest.mark.parametrize(
    ("band", "expected"),
    [
        ("trusted", {"read": "permit", "write": "permit", "snapshot": "permit"}),
        ("guarded", {"read": "permit", "write": "permit", "snapshot": "band-keep"}),
        ("restricted", {"read": "permit", "write": "band-cap", "snapshot": "band-cap"}),
        ("isolated", {"read": "band-cap", "write": "band-cap", "snapshot": "band-cap"}),
    ],
)
def test_caps_and_keeps_hold_in_their_band_and_below(policy_of, band, expected):
    """A worse band has what its cap and those above leave, and no more."""
    policy = policy_of()
    labels = {"app": "db"}
    found = {a: reason(policy, a, labels=labels, guest=DB, band=band) for a in expected}
    assert found == expected


def test_a_keep_of_a_better_band_is_not_undone_by_a_worse_one(policy_of):
    """Keeps are intersected down the bands, as caps are."""
    policy = policy_of(
        replaced={"guarded: {keep: [io]}": "guarded: {keep: [ro]}\n      restricted: {keep: [io]}",
                  "cap: [ro, send]": "cap: [io, send]"}
    )  # fmt: skip
    assert reason(policy, "write", labels={"app": "db"}, guest=DB, band="restricted") == "band-keep"


def test_a_drop_is_about_its_objects_only(policy_of):
    """A network in the dropped set is lost, another is not; lower bands drop it too."""
    policy = policy_of(replaced={"cap: [ro, send]": "cap: [ro, wire]"})
    for band in ("guarded", "restricted"):
        assert reason(policy, "connect", NET, {"zone": "mgmt"}, band=band) == "band-drop"
        assert reason(policy, "connect", NET, {"zone": "front"}, band=band) == "permit"
        assert reason(policy, "send", NET, {"zone": "mgmt"}, band=band) == "permit"
    assert reason(policy, "connect", NET, {"zone": "mgmt"}) == "permit"


def test_a_drop_is_not_taken_for_the_keep_that_comes_later(policy_of):
    """The reason is what closes the permit in this band, not in the next."""
    policy = policy_of(
        replaced={"object: mgmt}]}": "object: mgmt}]}\n      restricted: {keep: [io]}",
                  "cap: [ro, send]": "cap: [ro, wire]"}
    )  # fmt: skip
    assert reason(policy, "connect", NET, {"zone": "mgmt"}, band="guarded") == "band-drop"
    assert reason(policy, "connect", NET, {"zone": "mgmt"}, band="restricted") == "band-keep"


def test_a_narrowing_says_what_would_undo_it(policy_of):
    """The nearest band that permits, the trust and the time it takes."""
    policy = policy_of()
    capped = ask(policy, "write", band="isolated").decision
    assert capped.detail == {
        "object_set": "web-data",
        "closed_in": "restricted",
        "needs_band": "guarded",
        "needs_trust": 0.55,
        "needs_seconds": 300.0,
    }
    assert (capped.permit, capped.role, capped.band) == (False, "web", "isolated")
    dropped = ask(policy, "connect", NET, {"zone": "mgmt"}, band="guarded").decision
    assert dropped.detail["needs_band"] == "trusted"
    assert dropped.detail["closed_in"] == "guarded"


def test_what_no_band_leaves_needs_nothing(policy_of):
    """A permit that even the best band caps has no band to wait for."""
    policy = policy_of(replaced={"leave: 0.70}": "leave: 0.70, cap: [ro]}"})
    decision = ask(policy, "write").decision
    assert decision.reason == "band-cap"
    assert decision.detail == {"object_set": "web-data", "closed_in": "trusted"}


def test_of_several_failures_the_nearest_permit_is_named(policy_of):
    """Two roles that fail: the one that needs the least trust."""
    policy = policy_of(
        replaced={
            "roles: [web]}": "roles: [web, also]}",
            "roles:\n  web:": "roles:\n  also:\n    permits: [{actions: [io], object: web-data}]\n"
            "    narrow: {guarded: {keep: [ro]}}\n  web:",
        }
    )
    decision = ask(policy, "write", band="restricted").decision
    assert (decision.role, decision.detail["needs_band"]) == ("web", "guarded")
    tied = ask(policy, "read", band="isolated").decision
    assert (tied.role, tied.detail["needs_band"]) == ("also", "restricted")
    swapped = ask(policy, "write", guest={"app": "web"}, band="restricted").decision
    assert (swapped.role, swapped.reason) == ("also", "band-cap")


def test_an_exception_lifts_its_own_subject_actions_and_objects(policy_of):
    """To its floor and no better, until its end and not at it."""
    policy = policy_of(EXCEPTION)
    labels = {"app": "db"}

    def asked(action="write", band="isolated", at=NOW, identity="g", ref=VOLUME, **more):
        more = {"labels": labels, "guest": DB, **more}
        return ask(policy, action, ref, band=band, at=at, identity=identity, **more).decision

    decision = asked()
    assert (decision.permit, decision.band) == (True, "isolated")
    assert decision.detail == {"object_set": "db-data", "exception": "CHG-114"}
    assert asked("snapshot").reason == "band-cap"
    assert asked(identity="h").reason == "band-cap"
    assert asked(labels=WEB, guest=WEB).reason == "band-cap"
    assert asked(at=UNTIL - 1).detail["exception"] == "CHG-114"
    assert asked(at=UNTIL).detail["exception"] == "CHG-115"
    assert asked(at=UNTIL + 86400).reason == "band-cap"
    assert asked(band="trusted").detail == {"object_set": "db-data"}
    assert asked("write", band="guarded", at=UNTIL).detail == {"object_set": "db-data"}


def test_an_exception_crosses_no_earlier_gate(policy_of):
    """Forbidden stays forbidden."""
    policy = policy_of(EXCEPTION + "forbid: [{object: db-data, actions: [write], reason: no}]\n")
    assert reason(policy, "write", labels={"app": "db"}, guest=DB) == "forbid"
    assert reason(policy, "read", labels={"app": "db"}, guest=DB, band="isolated") == "permit"


def test_an_exception_that_is_not_enough_says_what_still_fails(policy_of):
    """The reason is judged in the lifted band; the band shown is the guest's own."""
    policy = policy_of(EXCEPTION.replace("floor: trusted", "floor: restricted"))
    decision = ask(
        policy, "write", labels={"app": "db"}, guest=DB, band="isolated", at=NOW
    ).decision
    assert (decision.permit, decision.detail["exception"]) == (True, "CHG-115")
    later = ask(
        policy, "snapshot", labels={"app": "db"}, guest=DB, band="isolated", at=NOW
    ).decision
    assert (later.reason, later.band) == ("band-cap", "isolated")


def test_a_protected_guest_is_never_narrowed(policy_of):
    """In any band it has what the best band permits, and its own band is shown."""
    policy = policy_of("protect: [{id: g}, {select: {tier: infra}}]\n")
    decision = ask(policy, "write", band="isolated").decision
    assert (decision.permit, decision.band) == (True, "isolated")
    assert decision.detail == {"object_set": "web-data"}
    best_only = ask(policy, "snapshot", labels={"app": "db"}, guest=DB, band="isolated")
    assert best_only.decision.permit
    assert reason(policy, "write", identity="h", band="isolated") == "band-cap"
    assert reason(policy, "write", identity="h", guest={**WEB, "tier": "infra"}) == "permit"
    assert policy.protected({}, "g")
    assert policy.protected({"tier": "infra"}, "h")
    assert not policy.protected({}, "h")
