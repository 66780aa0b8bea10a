"""What a new policy would change on the guests and objects that there are."""

from base_policy import BASE

from trustd.model import Mode, ObjectRef
from trustd.policy import load_policy
from trustd.policy.diff import Live, difference
from trustd.policy.walls import Blocked

WEB = {"app": "web", "tenant": "acme"}
DISK = ObjectRef("volume", "/v")
LAN = ObjectRef("network", "lan")
OBJECTS = {DISK: WEB, LAN: {}}


def changed(replaced=(), more="", guests=(("g", WEB, "trusted", 0.9),), history=()):
    old = load_policy(BASE, "old.yaml")
    text = BASE
    for before, after in dict(replaced).items():
        assert before in text
        text = text.replace(before, after, 1)
    new = load_policy(text + more, "new.yaml")
    live = [
        Live(name, labels, old.relays.start(band, at=0), trust, history=dict(history))
        for name, labels, band, trust in guests
    ]
    return difference(old, new, live, OBJECTS, at=100, clock=100)


def listed(changes):
    return {(c.guest, c.action, c.object.id, c.before.reason, c.after.reason) for c in changes}


def test_the_same_policy_changes_nothing():
    """No difference, no lines."""
    found = changed()
    assert (found.granted, found.revoked, found.moved, found.broken) == ((), (), (), ())


def test_granted_and_revoked_are_told_apart():
    """Exactly the answers that differ, with both reasons."""
    found = changed(
        {"actions: [io], object: web-data": "actions: [ro, snapshot], object: web-data"}
    )
    assert listed(found.granted) == {("g", "snapshot", "/v", "no-grant", "permit")}
    assert listed(found.revoked) == {("g", "write", "/v", "permit", "no-grant")}
    assert all(change.granted for change in found.granted)
    assert found.moved == ()


def test_a_new_action_is_compared_too():
    """What only one of the two policies knows is unknown to the other."""
    found = changed({"wire: [connect, send]": "wire: [connect, send, seal]"})
    assert listed(found.granted) == {("g", "seal", "lan", "unknown-action", "permit")}


def test_a_threshold_moves_guests_between_bands():
    """The present trust is judged by the new bands, and what follows is shown."""
    found = changed({"enter: 0.80, leave: 0.70": "enter: 0.95, leave: 0.92"})
    [moved] = found.moved
    assert moved.bands == ("trusted", "guarded")
    stay = changed({"enter: 0.80, leave: 0.70": "enter: 0.95, leave: 0.85"})
    assert stay.moved == ()


def test_a_band_that_is_gone_lifts_nobody():
    """A guest of a vanished band gets what its old thresholds prove."""
    guests = [("g", WEB, "restricted", 0.5)]
    found = changed({"name: restricted": "name: low", "band: restricted": "band: low"},
                    guests=guests)  # fmt: skip
    assert [moved.bands for moved in found.moved] == [("restricted", "low")]
    assert (found.granted, found.revoked) == ((), ())


def test_roles_and_modes_that_change_are_named():
    """A guest that loses its role, and one that is now enforced."""
    found = changed(
        {"{app: web}, roles": "{app: www}, roles", "name: base": "name: b\nmode: enforce"}
    )
    [moved] = found.moved
    assert moved.roles == (("web",), ())
    assert moved.modes == (Mode.OBSERVE, Mode.ENFORCE)
    assert {change.action for change in found.revoked} == {
        "read", "list", "write", "connect", "send",
    }  # fmt: skip


def test_walls_that_running_guests_break_are_named():
    """Two rivals that run now break a new wall; one that does not run breaks none."""
    wall = "walls: [{name: w, label: tenant, conflicts: [[acme, bolt]], mode: running}]\n"
    rival = {"app": "web", "tenant": "bolt"}
    guests = [("g", WEB, "trusted", 0.9), ("h", rival, "trusted", 0.9)]
    found = changed(more=wall, guests=guests)
    assert found.broken == (
        ("g", Blocked("w", "acme", "bolt")),
        ("h", Blocked("w", "bolt", "acme")),
    )
    assert {change.after.reason for change in found.revoked} == {"wall"}
    assert changed(more=wall, guests=guests[:1]).broken == ()


def test_history_counts_in_a_dry_run():
    """A wall over time is judged with what each guest touched."""
    wall = "walls: [{name: w, label: tenant, conflicts: [[acme, bolt]], mode: history}]\n"
    found = changed(more=wall, history={"w": frozenset({"bolt"})})
    assert {change.action for change in found.revoked} == {"read", "list", "write"}
    assert changed(more=wall).revoked == ()
