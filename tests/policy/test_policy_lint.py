"""Doubts: what a policy says and hardly means, and nothing about one that means it."""

import pytest
from base_policy import BASE

from trustd.documents import Document
from trustd.errors import PolicyError
from trustd.policy import compiled
from trustd.policy.lint import lint

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
EXCEPTION = (
    "exceptions: [{id: C, subject: {id: %s}, actions: [read], object: nets, floor: guarded, "
    "until: 1970-01-13T00:00:00Z, by: me, reason: r}]\n"
)


def doubts(more="", replaced=(), at=0.0):
    text = BASE
    for old, new in dict(replaced).items():
        assert old in text
        text = text.replace(old, new, 1)
    document = Document.read(text + more, "p.yaml", PolicyError)
    return [(d.code, d.problem.key) for d in lint(compiled(document), document, at=at)]


def test_a_policy_that_means_what_it_says_raises_no_doubt():
    """The base policy is clean; so are rules that are used."""
    assert doubts() == []
    assert doubts(EXCEPTION % UUID) == []


@pytest.mark.parametrize(
    ("replaced", "found"),
    [
        ({"  - {select: {app: web}, roles: [web]}\n": ""}, [("unused-role", "roles.web")]),
        (
            {"  nets: {type: network}": "  nets: {type: network}\n  tapes: {type: tape}"},
            [("unused-objects", "objects.tapes")],
        ),
        (
            {"leave: 0.70}": "leave: 0.70, cap: [wire, ro, snapshot, write]}",
             "[io, snapshot], object: db-data": "[io, snapshot, seal], object: db-data"},
            [],
        ),
        (
            {"leave: 0.70}": "leave: 0.70, cap: [ro]}"},
            [("dead-permit", "roles.web.permits[1]"), ("idle-band", "trust.bands[1]"),
             ("idle-band", "trust.bands[2]")],
        ),
        (
            {"drop: [{actions: [connect]": "drop: [{actions: [snapshot]"},
            [("idle-drop", "roles.web.narrow.guarded.drop[0]")],
        ),
        ({"keep: [io]": "keep: [io, wire]"}, [("idle-keep", "roles.db.narrow.guarded.keep")]),
        (
            {"    - {name: isolated, cap: []}": "    - {name: isolated}"},
            [("idle-band", "trust.bands[3]")],
        ),
        (
            {"name: guarded, enter": "name: guarded, mode: observe, enter",
             "  db:\n    permits": "  db:\n    mode: enforce\n    permits"},
            [("mode-conflict", "roles.db.mode")],
        ),
        (
            {"actions: [io, snapshot]": "actions: [io, snapshot, wriet]"},
            [("nearly-an-action", "roles.db.permits[0].actions")],
        ),
    ],
)  # fmt: skip
def test_each_doubt_stands_at_its_place(replaced, found):
    """One change, the doubts that it raises, and no others."""
    assert doubts(replaced=replaced) == found


def test_a_band_that_only_acts_is_no_doubt():
    """Enforcement is a reason for a band to exist."""
    bare = {"    - {name: isolated, cap: []}": "    - {name: isolated}"}
    assert doubts("enforce: {isolated: [{do: alert}]}\n", bare) == []
    role = {
        **bare,
        "  db:\n    permits": "  db:\n    enforce: {isolated: [{do: alert}]}\n    permits",
    }
    assert doubts(replaced=role) == []


def test_exceptions_are_doubted_when_over_or_by_name():
    """An end in the past, and a guest that is named instead of identified."""
    assert doubts(EXCEPTION % UUID, at=1_036_800.0) == [("exception-over", "exceptions[0].until")]
    assert doubts(EXCEPTION % "db-7") == [("guest-by-name", "exceptions[0].subject.id")]
    assert doubts("protect: [{id: [db-7]}]\n") == [("guest-by-name", "protect[0].id")]
    assert doubts("protect: [{type: user, id: [ann]}]\n") == []


def test_trusting_newcomers_is_doubted():
    """Probation in the best band is trust that nobody earned."""
    assert doubts("behaviour: {default: {probation: trusted}}\n") == [
        ("trusting-probation", "behaviour.default.probation")
    ]
    assert doubts("behaviour: {default: {probation: guarded}}\n") == []
