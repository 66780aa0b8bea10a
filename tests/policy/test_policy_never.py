"""Invariants: found broken exactly where some labels break them."""

import itertools
from dataclasses import replace

import pytest
from base_policy import BASE
from generated_policies import BANDS, KEYS, VALUES, Question, ask, documents, loaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trustd.errors import PolicyError
from trustd.model import ObjectRef
from trustd.policy import load_policy
from trustd.policy.never import breaches


def check(never, more="", replaced=()):
    """The problem with one invariant on the base policy; None where it holds."""
    text = BASE
    for old, new in dict(replaced).items():
        assert old in text
        text = text.replace(old, new, 1)
    try:
        load_policy(f"{text}never: [{never}]\n{more}", "p.yaml")
    except PolicyError as error:
        [problem] = error.problems
        return problem
    return None


@pytest.mark.parametrize(
    "never",
    [
        "{roles: [web], actions: [read], object: db-data}",
        "{roles: [web], actions: [connect], object: mgmt, at_or_below: guarded}",
        "{actions: [write], object: db-data, at_or_below: restricted}",
        "{actions: [snapshot], object: web-data}",
        "{actions: [ro], object: nets}",
        "{actions: [io, wire], object: nets, at_or_below: isolated}",
    ],
)
def test_invariants_that_hold_let_the_policy_load(never):
    """Selectors that exclude one another, caps, keeps and drops are all seen."""
    assert check(never) is None


@pytest.mark.parametrize(
    ("never", "witness"),
    [
        ("{roles: [web], actions: [connect], object: mgmt}", "zone: mgmt"),
        ("{roles: [web], actions: [send], object: mgmt, at_or_below: restricted}", "restricted"),
        ("{actions: [write], object: web-data, at_or_below: guarded}", "tenant"),
        ("{actions: [read], object: db-data, at_or_below: restricted}", "role db"),
        ("{roles: [clerk], actions: [read], object: db-data}", "user"),
    ],
)
def test_invariants_that_are_broken_refuse_the_load_with_a_witness(never, witness):
    """The problem stands at the invariant and shows labels that break it."""
    problem = check(never)
    assert problem.key == "never[0]"
    assert problem.line == BASE.count("\n") + 1
    assert witness in problem.message


def test_a_drop_on_objects_of_another_type_proves_nothing():
    """Dropping a permit on volumes leaves it on networks, whatever their labels."""
    dropped = {"guarded: {drop: [{actions: [connect], object: mgmt}]}":
               "guarded: {drop: [{actions: [wire], object: all}]}",
               "objects:\n": "objects:\n  all: {type: volume}\n"}  # fmt: skip
    never = "{roles: [web], actions: [connect], object: mgmt, at_or_below: guarded}"
    assert check(never, replaced=dropped) is not None


def test_labels_with_several_values_are_tried_where_there_can_be_any():
    """A service's own objects and users may have several values; volumes may not."""
    never = "{roles: [clerk], actions: [read], object: guarded}"
    old = "  db-data: {type: volume, select: {app: db, state: {not: [sealed]}}}"
    new = "  db-data: {type: %s, select: {app: db}}\n  guarded: {type: %s, select: {app: web}}"

    def checked(kind):
        return check(never, replaced={old: new % (kind, kind)})

    assert checked("volume") is None
    assert "app: db|web" in checked("bucket").message


def test_users_are_never_in_a_lower_band():
    """Who is not measured is judged in the best band only."""
    never = "{roles: [clerk], actions: [read], object: db-data, at_or_below: guarded}"
    assert check(never) is None


def test_a_forbid_can_make_an_invariant_true():
    """What is forbidden to everybody is permitted to nobody; to some, not."""
    never = "{roles: [web], actions: [connect], object: mgmt}"
    assert check(never, "forbid: [{object: mgmt, actions: [wire], reason: no}]\n") is None
    some = "forbid: [{subject: {select: {tenant: acme}}, object: mgmt, reason: no}]\n"
    assert "tenant" not in check(never, some).message
    own = "forbid: [{object: mgmt, actions: [wire], match: {owner: $id}, reason: no}]\n"
    assert check(never, own) is not None
    all_web = "forbid: [{subject: {select: {app: web}}, object: mgmt, reason: no}]\n"
    assert check(never, all_web) is None


def test_types_and_walls_are_seen():
    """Unlabelled guests behind a wall, and colours that cannot meet, break nothing."""
    never = "{roles: [web], actions: [read], object: web-data}"
    assert check(never, "types: [{label: app, types: [volume]}]\n") is not None
    apart = {"web-data: {type: volume, select: {app: web}}":
             "web-data: {type: volume, select: {app: web, colour: {present: false}}}"}  # fmt: skip
    assert check(never, "types: [{label: colour, types: [volume]}]\n", apart) is None
    wall = "walls: [{name: w, label: app, conflicts: [[web, db]], mode: running}]\n"
    assert check(never, wall) is not None


def test_exceptions_and_protection_can_break_an_invariant():
    """What lifts a guest lifts it over the invariant too."""
    never = "{actions: [write], object: db-data, at_or_below: restricted}"
    lift = (
        "exceptions: [{id: C, subject: {id: g}, actions: [write], object: db-data, "
        "floor: guarded, until: 2026-12-01T00:00:00Z, by: me, reason: r}]\n"
    )
    assert check(never) is None
    assert "$id: g" in check(never, lift).message
    assert check(never, lift.replace("[write]", "[snapshot]")) is None
    assert check(never, lift.replace("object: db-data", "object: web-data")) is None
    assert "tier: infra" in check(never, "protect: [{select: {tier: infra}}]\n").message
    assert check(never, "protect: [{type: user, id: ann}]\n") is None


def test_what_cannot_be_decided_is_refused():
    """Too many combinations are not taken for a proof."""
    many = ", ".join(f"k{n}: {{not: [{', '.join('abcdefgh')}]}}" for n in range(8))
    drop = f"  lots: {{type: network, select: {{{many}}}}}\n"
    problem = check(
        "{roles: [web], actions: [connect], object: nets, at_or_below: guarded}",
        replaced={
            "  nets: {type: network}\n": "  nets: {type: network}\n" + drop,
            "object: mgmt}]}": "object: mgmt}, {actions: [wire], object: lots}]}",
        },
    )
    assert "trials" in problem.message


LISTS = [",".join(some) for n in (2, 3) for some in itertools.combinations(VALUES, n)]
"""A label that types compare may have several values, written with commas."""


def every_labelling(*, lists):
    """All values of two labels, identities among them; of the second also lists."""
    values = (None, *VALUES, "one")
    zones = (*values, *(LISTS if lists else ()))
    return [present({"app": app, "zone": zone}) for app in values for zone in zones]


def present(labels):
    return {key: value for key, value in labels.items() if value is not None}


@pytest.mark.slow
def test_the_solver_agrees_with_trying_every_labelling():
    """Against brute force over all labels of small policies: no miss, no false alarm."""
    seen = {True: 0, False: 0}

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def run(data):
        document = data.draw(documents())
        used = {*KEYS[:2], "$id"}
        for role in document["roles"].values():
            for permit in role["permits"]:
                permit["match"] = {k: v for k, v in permit["match"].items() if {k, v} <= used}
        for rule in (*document["subjects"], *document["objects"].values()):
            rule["select"].pop("tenant", None)
        for rule in document["subjects"]:
            rule["type"] = "guest"
        document["walls"] = []
        never = {
            "actions": [data.draw(st.sampled_from(["read", "write", "send"]))],
            "object": data.draw(st.sampled_from(sorted(document["objects"]))),
            "at_or_below": data.draw(st.sampled_from(BANDS)),
        }
        kind = document["objects"][never["object"]]["type"]
        policy = loaded(document)
        asked = Question("guest", "", {}, never["actions"][0], ObjectRef(kind, ""), {})
        bit = 1 << policy.objects.names.index(never["object"])
        broken = any(
            ask(policy, question, band).decision.permit
            for question in labelled(asked, lists=bool(document["types"]))
            if policy.target(question.ref, question.object_labels).sets & bit
            for band in [never["at_or_below"]]
        )
        document["never"] = [never]
        found = False
        try:
            loaded(document)
        except PolicyError:
            found = True
        assert found is broken
        seen[broken] += 1

    run()
    assert min(seen.values()) >= 10


def labelled(asked, *, lists):
    """The question with every labelling of subject and object."""
    labels = every_labelling(lists=lists)
    for mine, theirs in itertools.product(labels, labels):
        for identity in ("one", "elsewhere", *VALUES):
            yield replace(
                asked,
                identity=identity,
                labels=mine,
                ref=ObjectRef(asked.ref.type, "one"),
                object_labels=theirs,
            )


def test_breaches_are_of_the_right_invariant():
    """Of two invariants the broken one is named."""
    text = BASE + (
        "never:\n"
        "  - {roles: [web], actions: [read], object: db-data}\n"
        "  - {roles: [db], actions: [read], object: db-data}\n"
    )
    with pytest.raises(PolicyError) as caught:
        load_policy(text, "p.yaml")
    assert [problem.key for problem in caught.value.problems] == ["never[1]"]
    assert list(breaches(load_policy(BASE, "p.yaml"))) == []
