"""What is refused whatever a role permits: forbids, walls and types."""

from base_questions import NET, VOLUME, WEB, ask, reason


def test_forbid_comes_before_any_role(policy_of):
    """By subject, by action, by object; what is left out means all."""
    policy = policy_of(
        "forbid:\n"
        "  - {subject: {select: {held: {present: true}}}, reason: held}\n"
        "  - {actions: [connect], object: mgmt, reason: no way in}\n"
        "  - {subject: {type: user}, actions: [write], reason: users do not write}\n"
    )
    decision = ask(policy, "read", guest={**WEB, "held": "1"}, band="guarded").decision
    assert (decision.permit, decision.reason, decision.detail) == (
        False, "forbid", {"rule": "held"},
    )  # fmt: skip
    assert (decision.band, decision.role) == ("guarded", "")
    assert reason(policy, "connect", NET, {"zone": "mgmt"}) == "forbid"
    assert reason(policy, "connect", NET, {"zone": "front"}) == "permit"
    assert reason(policy, "send", NET, {"zone": "mgmt"}) == "permit"
    assert reason(policy, "write", guest={}, kind="user") == "forbid"
    assert reason(policy, "write") == "permit"
    assert reason(policy, "read", labels={}, guest={**WEB, "held": "1"}) == "forbid"


def test_forbid_may_ask_for_a_match(policy_of):
    """Four eyes: forbidden only to whom the object's label names; without the label, to nobody."""
    policy = policy_of("forbid: [{actions: [read], match: {owner: $id}, reason: four eyes}]\n")
    web = {"app": "web", "tenant": "acme"}
    assert reason(policy, "read", labels={**web, "owner": "g"}) == "forbid"
    assert reason(policy, "read", labels={**web, "owner": "another"}) == "permit"
    assert reason(policy, "read", labels=web) == "permit"
    assert reason(policy, "write", labels={**web, "owner": "g"}) == "permit"


def test_types_need_a_common_value(policy_of):
    """Absent on either side is empty; several values are written with commas."""
    policy = policy_of("types: [{label: colour, types: [volume]}]\n")

    def asked(mine, theirs, ref=VOLUME):
        guest = {**WEB, **({"colour": mine} if mine else {})}
        labels = {**WEB, **({"colour": theirs} if theirs else {})}
        return ask(policy, "read" if ref is VOLUME else "send", ref, labels, guest=guest).decision

    assert asked("red", "red").reason == "permit"
    assert asked("red, blue", "green,blue").reason == "permit"
    decision = asked("red", "blue")
    assert (decision.permit, decision.reason, decision.detail) == (
        False, "type", {"label": "colour"},
    )  # fmt: skip
    assert asked("red", "").reason == asked("", "red").reason == asked("", "").reason == "type"
    assert asked("", "", NET).reason == "permit"


def test_forbid_wall_and_type_fail_in_that_order(policy_of):
    """The first gate that fails is the reason."""
    text = (
        "types: [{label: colour, types: [volume]}]\n"
        "walls: [{name: w, label: tenant, conflicts: [[acme, bolt]], mode: history}]\n"
        "forbid: [{subject: {select: {held: {present: true}}}, reason: held}]\n"
    )
    policy = policy_of(text)
    bound = {"w": frozenset({"bolt"})}
    assert reason(policy, "read", guest={**WEB, "held": "1"}, history=bound) == "forbid"
    assert reason(policy, "read", history=bound) == "wall"
    assert reason(policy, "read", band="isolated") == "type"


def test_a_history_wall_returns_what_to_bind(policy_of):
    """A permit binds, once; a denial does not; what is in no conflict is not kept."""
    policy = policy_of(
        "walls: [{name: w, label: tenant, conflicts: [[acme, bolt]], mode: history}]\n"
    )
    ruling = ask(policy, "read")
    assert (ruling.decision.permit, ruling.binds) == (True, (("w", "acme"),))
    again = ask(policy, "read", history={"w": frozenset({"acme"})})
    assert (again.decision.permit, again.binds) == (True, ())
    refused = ask(policy, "read", history={"w": frozenset({"bolt"})})
    assert (refused.decision.permit, refused.binds) == (False, ())
    assert refused.decision.detail == {"wall": "w", "value": "acme", "held": "bolt"}
    capped = ask(policy, "read", band="isolated")
    assert (capped.decision.reason, capped.binds) == ("band-cap", ())
    other = {"app": "web", "tenant": "cobalt"}
    assert ask(policy, "read", guest=other, labels=other).binds == ()


def test_a_user_meets_history_walls_but_not_those_of_the_host(policy_of):
    """Users do not run on the host."""
    policy = policy_of(
        "walls:\n"
        "  - {name: h, label: owner, conflicts: [[ann, bob]], mode: history}\n"
        "  - {name: r, label: tenant, conflicts: [[acme, bolt]], mode: running}\n"
    )
    mine = {"app": "db", "owner": "ann"}
    one = {"guest": {"job": "clerk"}, "kind": "user", "identity": "ann", "labels": mine}
    ruling = ask(policy, "read", **one)
    assert (ruling.decision.permit, ruling.binds) == (True, (("h", "ann"),))
    assert reason(policy, "read", history={"h": frozenset({"bob"})}, **one) == "wall"
    assert reason(policy, "read", guest={"app": "web"}) == "wall"
