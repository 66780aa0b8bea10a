"""What a policy says as a whole: thresholds in order, rules that mean something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from trustd.documents import Document, Keys
from trustd.errors import Problem
from trustd.policy.measures import Throttle
from trustd.policy.references import DEFAULT
from trustd.policy.schema import BehaviourRule, PolicyDocument
from trustd.policy.terms import Select, SubjectRef


def soundness(policy: PolicyDocument, places: Document) -> Iterator[Problem]:
    """Every rule whose parts contradict one another, or that says nothing."""
    yield from _bands(policy, places)
    yield from _stale(policy, places)
    yield from _walls(policy, places)
    yield from _selectors(policy, places)
    yield from _subjects(policy, places)
    yield from _rules(policy, places)
    yield from _measures(policy, places)
    yield from _behaviour(policy, places)


def _bands(policy: PolicyDocument, places: Document) -> Iterator[Problem]:
    bands = policy.trust.bands
    last = len(bands) - 1
    for index, band in enumerate(bands):
        keys: Keys = ("trust", "bands", index)
        if band.name in {earlier.name for earlier in bands[:index]}:
            yield places.problem((*keys, "name"), f'the band "{band.name}" is given twice')
        if index == last:
            for key in ("enter", "leave"):
                if getattr(band, key) is not None:
                    yield places.problem(
                        (*keys, key),
                        f"the last band has no {key}: it is where trust is unknown",
                        "remove it, or add a band below",
                        at_key=True,
                    )
            continue
        if band.enter is None or band.leave is None:
            missing = "enter" if band.enter is None else "leave"
            yield places.problem(keys, f'the key "{missing}" is missing', "only the last has none")
            continue
        if band.enter <= band.leave:
            yield places.problem(
                (*keys, "leave"), "must be below enter, or trust would flap between bands"
            )
        for key in ("enter", "leave"):
            better = [v for b in bands[:index] if (v := getattr(b, key)) is not None]
            if better and getattr(band, key) >= min(better):
                yield places.problem(
                    (*keys, key), f"{key} must fall from band to band", "bands are best first"
                )


def _stale(policy: PolicyDocument, places: Document) -> Iterator[Problem]:
    stale = policy.trust.stale
    keys: Keys = ("trust", "stale")
    if stale.then != "cap" and stale.band is not None:
        yield places.problem((*keys, "band"), f'"then: {stale.then}" takes no band', at_key=True)
    if stale.then == "hold" and stale.give_up is None:
        yield places.problem(keys, '"then: hold" needs give_up', "the last band is not for ever")
    if stale.give_up is not None and stale.give_up <= stale.after:
        yield places.problem((*keys, "give_up"), "must be longer than after")


def _walls(policy: PolicyDocument, places: Document) -> Iterator[Problem]:
    names: set[str] = set()
    for index, wall in enumerate(policy.walls):
        keys: Keys = ("walls", index)
        if wall.name in names:
            yield places.problem((*keys, "name"), f'the wall "{wall.name}" is given twice')
        names.add(wall.name)
        for at, values in enumerate(wall.conflicts):
            if len(set(values)) < len(values):
                yield places.problem(
                    (*keys, "conflicts", at), "a value cannot conflict with itself"
                )
        if wall.write_rule == "strict":
            if wall.mode == "running":
                yield places.problem(
                    (*keys, "write_rule"), "is for walls with mode: history only", at_key=True
                )
            elif not wall.writes:
                yield places.problem(
                    keys, '"write_rule: strict" needs writes', "name the actions that write"
                )


def _selectors(policy: PolicyDocument, places: Document) -> Iterator[Problem]:
    selects: list[tuple[Keys, Select | None]] = [
        *((("subjects", i, "select"), rule.select) for i, rule in enumerate(policy.subjects)),
        *((("objects", n, "select"), entry.select) for n, entry in policy.objects.items()),
        *((("protect", i, "select"), who.select) for i, who in enumerate(policy.protect)),
        *((("forbid", i, "subject", "select"), rule.subject.select)
          for i, rule in enumerate(policy.forbid) if rule.subject),
        *((("exceptions", i, "subject", "select"), rule.subject.select)
          for i, rule in enumerate(policy.exceptions)),
    ]  # fmt: skip
    for keys, select in selects:
        for label, term in (select or {}).items():
            if term.one_of is None and term.none_of is None and term.present is None:
                yield places.problem((*keys, label), "says nothing about the label")
            elif term.present is False and term.one_of is not None:
                yield places.problem((*keys, label), "a label that is absent has no value")


def _subjects(policy: PolicyDocument, places: Document) -> Iterator[Problem]:
    whom: list[tuple[Keys, SubjectRef]] = [
        *((("protect", index), who) for index, who in enumerate(policy.protect)),
        *((("exceptions", index, "subject"), rule.subject)
          for index, rule in enumerate(policy.exceptions)),
    ]  # fmt: skip
    for keys, subject in whom:
        if subject.id is None and subject.select is None:
            yield places.problem(keys, "names nobody", "give id or select")


def _rules(policy: PolicyDocument, places: Document) -> Iterator[Problem]:
    for index, exclusive in enumerate(policy.exclusive):
        if exclusive.max >= len(set(exclusive.roles)):
            yield places.problem(("exclusive", index, "max"), "excludes nothing: it is too large")
    seen: set[str] = set()
    for index, entry in enumerate(policy.exceptions):
        if entry.id in seen:
            yield places.problem(
                ("exceptions", index, "id"), f'the exception "{entry.id}" is given twice'
            )
        seen.add(entry.id)
    for kind in ("objects", "subjects"):
        known: set[tuple[str, str]] = set()
        for index, labelled in enumerate(getattr(policy.registry, kind)):
            identity = (labelled.type, labelled.id)
            if identity in known:
                yield places.problem(
                    ("registry", kind, index, "id"), f"{labelled.type} {labelled.id} is given twice"
                )
            known.add(identity)
    if DEFAULT in policy.roles:
        yield places.problem(
            ("roles", DEFAULT), '"default" names the behaviour of all', at_key=True
        )


def _measures(policy: PolicyDocument, places: Document) -> Iterator[Problem]:
    tables: list[tuple[Keys, Mapping[str, Sequence[object]]]] = [(("enforce",), policy.enforce)]
    tables += [(("roles", name, "enforce"), role.enforce) for name, role in policy.roles.items()]
    for keys, table in tables:
        for band, measures in table.items():
            for index, measure in enumerate(measures):
                if isinstance(measure, Throttle) and not measure.model_fields_set - {"do"}:
                    yield places.problem((*keys, band, index), "limits nothing")


def _behaviour(policy: PolicyDocument, places: Document) -> Iterator[Problem]:
    default = policy.behaviour.get(DEFAULT, BehaviourRule())
    for role, rule in policy.behaviour.items():
        keys: Keys = ("behaviour", role)
        good = rule.half_life.good or default.half_life.good
        bad = rule.half_life.bad or default.half_life.bad
        if good is not None and bad is not None and good > bad:
            yield places.problem(
                (*keys, "half_life"), "good evidence must not outlast bad evidence"
            )
        for key in ("good", "bad"):
            if getattr(rule.half_life, key) == 0:
                yield places.problem((*keys, "half_life", key), "must be longer than nothing")
        for feature, expect in rule.expect.items():
            place = (*keys, "expect", feature)
            if expect.max is None and expect.min is None:
                yield places.problem(place, "states no bound", "give max, min or both")
            elif expect.max is not None and expect.min is not None and expect.min > expect.max:
                yield places.problem((*place, "min"), "must not be above max")
