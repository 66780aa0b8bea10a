"""Random policies, and questions that their permits are likely to answer with yes.

Labels drawn at random almost never fit anything, and a property that only ever sees
denials holds for a broken policy as well. So a permit is drawn first, and then a
subject and an object that satisfy it.
"""

import json
from dataclasses import dataclass, field

from hypothesis import strategies as st

from trustd.model import ObjectRef
from trustd.policy import decide, load_policy

KEYS = ("app", "zone", "tenant")
VALUES = ("x", "y", "z")
ACTIONS = ("read", "list", "write", "send")
SETS = {"ro": ["read", "list"], "io": ["ro", "write"], "wire": ["send"]}
NAMES = (*ACTIONS, *SETS)
BANDS = ("best", "good", "poor", "worst")
TYPES = ("volume", "network")
IDS = ("one", "two")
NOW = 1_000_000.0


@dataclass(frozen=True)
class Question:
    """A subject, an action and an object, with what decides beside the policy."""

    kind: str
    identity: str
    labels: dict
    action: str
    ref: ObjectRef
    object_labels: dict
    history: dict = field(default_factory=dict)
    running: dict = field(default_factory=dict)


def terms():
    """What one label must be, as a policy writes it."""
    some = st.lists(st.sampled_from(VALUES), min_size=1, max_size=2, unique=True)
    return st.one_of(st.sampled_from(VALUES), some, some.map(lambda v: {"not": v}))


def selects():
    """Selectors; most ask for little."""
    return st.dictionaries(st.sampled_from(KEYS), terms(), max_size=2)


def names():
    """Actions and sets of them."""
    return st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)


@st.composite
def documents(draw):
    """Whole policies, as plain data."""
    sets = [f"set{n}" for n in range(draw(st.integers(1, 3)))]
    roles = [f"role{n}" for n in range(draw(st.integers(1, 3)))]
    objects = {
        name: {"type": draw(st.sampled_from(TYPES)), "select": draw(selects())} for name in sets
    }
    drops = st.lists(
        st.fixed_dictionaries({"actions": names(), "object": st.sampled_from(sets)}), max_size=1
    )
    narrow = st.one_of(
        st.fixed_dictionaries({"drop": drops}),
        st.fixed_dictionaries({"keep": names(), "drop": drops}),
    )
    permits = st.fixed_dictionaries(
        {
            "actions": names(),
            "object": st.sampled_from(sets),
            "match": st.dictionaries(
                st.sampled_from(KEYS), st.sampled_from((*KEYS, "$id")), max_size=1
            ),
        }
    )
    bands = [
        {"name": "best", "enter": 0.8, "leave": 0.7},
        {"name": "good", "enter": 0.6, "leave": 0.5},
        {"name": "poor", "enter": 0.4, "leave": 0.3},
        {"name": "worst"},
    ]
    for band in bands[1:]:
        if draw(st.booleans()):
            band["cap"] = draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True))
    document = {
        "apiVersion": "trustd/v1",
        "name": "generated",
        "mode": draw(st.sampled_from(["observe", "enforce"])),
        "actions": SETS,
        "subject_types": {"user": {}},
        "objects": objects,
        "roles": {
            name: {
                "permits": draw(st.lists(permits, min_size=1, max_size=3)),
                "narrow": draw(st.dictionaries(st.sampled_from(BANDS[1:]), narrow, max_size=2)),
            }
            for name in roles
        },
        "subjects": [
            {
                "type": draw(st.sampled_from(["guest", "guest", "user"])),
                "select": draw(selects()),
                "roles": draw(st.lists(st.sampled_from(roles), min_size=1, unique=True)),
            }
            for _ in range(draw(st.integers(1, 3)))
        ],
        "trust": {"bands": bands, "dwell": {"up": "30s"}},
    }
    document["forbid"] = draw(rare(st.lists(forbids(sets), max_size=1)))
    document["walls"] = draw(rare(st.lists(walls(), max_size=1)))
    document["types"] = draw(rare(st.just([{"label": "zone", "types": ["volume"]}])))
    document["exceptions"] = draw(rare(st.lists(exceptions(sets), max_size=1)))
    document["protect"] = draw(rare(st.lists(st.fixed_dictionaries({"id": st.just("one")}))))
    return document


def rare(strategy):
    """Most policies do without."""
    return st.one_of(st.just([]), st.just([]), strategy)


def forbids(sets):
    return st.fixed_dictionaries(
        {"reason": st.just("forbidden"), "object": st.sampled_from(sets), "actions": names()}
    )


def walls():
    return st.fixed_dictionaries(
        {
            "name": st.just("wall"),
            "label": st.just("tenant"),
            "conflicts": st.just([["x", "y"]]),
            "mode": st.sampled_from(["running", "history"]),
        }
    )


def exceptions(sets):
    return st.fixed_dictionaries(
        {
            "id": st.just("CHG-1"),
            "subject": st.just({"id": "one"}),
            "actions": names(),
            "object": st.sampled_from(sets),
            "floor": st.sampled_from(BANDS[:3]),
            "until": st.just("1970-01-13T00:00:00Z"),
            "by": st.just("somebody"),
            "reason": st.just("a drill"),
        }
    )


UNTIL = 1_036_800.0
"""When the exceptions above end, in epoch seconds; :data:`NOW` is before."""


@st.composite
def fitting(draw, select):
    """Labels that satisfy a selector, and perhaps more."""
    labels = draw(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2))
    for key, term in select.items():
        if isinstance(term, dict):
            labels[key] = draw(st.sampled_from([v for v in VALUES if v not in term["not"]]))
        else:
            labels[key] = draw(st.sampled_from([term] if isinstance(term, str) else term))
    return labels


def expanded(action):
    """The actions that a name stands for."""
    return [a for part in SETS[action] for a in expanded(part)] if action in SETS else [action]


@st.composite
def questions(draw, document):
    """A question that a permit of the policy is likely to allow."""
    rule = draw(st.sampled_from(document["subjects"]))
    role = document["roles"][draw(st.sampled_from(rule["roles"]))]
    permit = draw(st.sampled_from(role["permits"]))
    entry = document["objects"][permit["object"]]
    identity = draw(st.sampled_from(IDS))
    labels = draw(fitting(rule["select"]))
    object_labels = draw(fitting(entry["select"]))
    for theirs, mine in permit["match"].items():
        object_labels[theirs] = identity if mine == "$id" else labels.get(mine, "x")
    if document["types"] and draw(st.booleans()):
        object_labels["zone"] = labels.setdefault("zone", object_labels.get("zone", "x"))
    action = draw(st.sampled_from(expanded(draw(st.sampled_from(permit["actions"])))))
    others = st.dictionaries(st.just("neighbour"), st.sampled_from(VALUES), max_size=1)
    return Question(
        rule["type"],
        identity,
        labels,
        action,
        ObjectRef(entry["type"], draw(st.sampled_from(IDS))),
        object_labels,
        draw(rare(st.just({"wall": frozenset({"x"})}))) or {},
        draw(others),
    )


def loaded(document):
    """The compiled policy."""
    return load_policy(json.dumps(document), "generated.yaml")


def ask(policy, question, band, at=NOW, history=None):
    """The ruling on a question."""
    occupied = {"wall": {value: frozenset({name}) for name, value in question.running.items()}}
    return decide(
        policy,
        policy.subject(question.kind, question.identity, question.labels),
        question.action,
        policy.target(question.ref, question.object_labels),
        band=band,
        at=at,
        history=question.history if history is None else history,
        occupied=occupied,
    )
