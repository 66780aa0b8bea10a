"""Invariants: can any guest and any object, however labelled, break a ``never``?

Decided by enumeration. Selectors only ever compare a label with the values that the
policy writes down, so it is enough to try, for each label, those values, one value
that is written nowhere, and no label at all. Exceptions and protected guests count:
what they open is open. Exclusive roles do not: each role is judged by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod

from trustd.policy.actions import resolve_all
from trustd.policy.compile import Policy
from trustd.policy.grants import Grant
from trustd.policy.schema import Never, SubjectRule
from trustd.policy.selectors import NONE, Condition, Selector, Values, Who
from trustd.policy.terms import BUILT_IN_TYPES, GUEST, OWN_ID

OTHER = "(another value)"
MOST_TRIALS = 1_000_000


@dataclass(frozen=True, slots=True)
class Breach:
    """How a ``never`` can be broken, or why that cannot be told.

    Args:
        index: of the invariant in the document.
        text: a witness, for a person.
    """

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class _Question:
    """Is there a subject and an object with all of these and none of those?

    Args:
        ties: (object label, subject label) that must share a value.
        object_nots: selectors that the object must not fit.
        pair_nots: (subject, object) selectors that must not both fit.
        many_subject, many_object: whether a label of theirs may have several values.
        split: labels that may have several values in any case.
    """

    subject: tuple[Condition, ...]
    object: tuple[Condition, ...]
    ties: tuple[tuple[str, str], ...]
    object_nots: tuple[Selector, ...]
    pair_nots: tuple[tuple[Selector, Selector], ...]
    many_subject: bool
    many_object: bool
    split: frozenset[str]


def breaches(policy: Policy) -> Iterator[Breach]:
    """The first way to break each invariant that can be broken."""
    budget = _Budget(MOST_TRIALS)
    for index, never in enumerate(policy.document.never):
        try:
            found = next(_ways(policy, never, budget), None)
        except _TooMany as many:
            found = f"it takes more than {MOST_TRIALS:,} trials to decide this ({many})"
        if found is not None:
            yield Breach(index, found)


class _TooMany(Exception):
    """The labels involved have too many combinations."""


@dataclass(slots=True)
class _Budget:
    """How many trials are left for all invariants together."""

    left: int

    def spend(self, trials: int, labels: Iterable[str]) -> None:
        """Take what one question costs.

        Raises:
            _TooMany: it is more than is left.
        """
        if trials > self.left:
            raise _TooMany(", ".join(labels))
        self.left -= trials


def _ways(policy: Policy, never: Never, budget: _Budget) -> Iterator[str]:
    """Witnesses against one invariant."""
    actions = resolve_all(never.actions, policy.document.actions)
    lowest = _lowest(policy, never)
    roles = policy.document.roles if never.roles is None else never.roles
    for role in sorted(roles):
        for grant in policy.grants_of_role(role):
            if grant.action not in actions:
                continue
            for rule in policy.document.subjects:
                if role in rule.roles and (lowest == 0 or rule.type == GUEST):
                    yield from _by_grant(policy, never, grant, rule, budget)


def _lowest(policy: Policy, never: Never) -> int:
    """The rank of the best band in which an invariant must hold."""
    return 0 if never.at_or_below is None else policy.rank(never.at_or_below)


def _by_grant(
    policy: Policy, never: Never, grant: Grant, rule: SubjectRule, budget: _Budget
) -> Iterator[str]:
    """Ways in which one grant, through one subject rule, breaks an invariant."""
    lowest = _lowest(policy, never)
    given = policy.document.objects[grant.object_set]
    guarded = policy.document.objects[never.object]
    if given.type != guarded.type:
        return
    wanted = (
        *Selector.of(given.select, given.id).conditions,
        *Selector.of(guarded.select, guarded.id).conditions,
    )
    whom = Selector.of(rule.select, rule.id).conditions
    if rule.type == GUEST:
        walls = (wall.label for wall in policy.running_walls)
        whom += tuple(Condition(label, None, NONE, present=True) for label in walls)
    labels = policy.type_labels.get(given.type, ())
    for rank, subject, target in _standings(policy, grant, rule.type, lowest):
        if not grant.open_in(rank, 0):
            continue
        question = _Question(
            (*whom, *subject),
            (*wanted, *target),
            (*grant.match, *((label, label) for label in labels)),
            policy.objects.selectors(given.type, grant.drops[rank]),
            tuple(_forbidden(policy, grant.action, rule.type, given.type)),
            rule.type != GUEST,
            given.type not in BUILT_IN_TYPES,
            frozenset(rule.label for rule in policy.document.types),
        )
        witness = _witness(question, budget)
        if witness is not None:
            yield (
                f"role {grant.role} permits {grant.action} on {grant.object_set} in band "
                f"{policy.bands[rank]}: {rule.type} {_shown(witness[0])}, "
                f"{given.type} {_shown(witness[1])}"
            )


def _standings(
    policy: Policy, grant: Grant, kind: str, lowest: int
) -> Iterator[tuple[int, tuple[Condition, ...], tuple[Condition, ...]]]:
    """The band at which a subject counts, and who and what that is limited to."""
    yield lowest, (), ()
    if kind != GUEST or lowest == 0:
        return
    for protected in policy.document.protect:
        if protected.type == GUEST:
            yield 0, Who.of(protected).selector.conditions, ()
    for entry in policy.document.exceptions:
        if entry.subject.type != GUEST:
            continue
        if grant.action in resolve_all(entry.actions, policy.document.actions):
            lifted = policy.document.objects[entry.object]
            if lifted.type == policy.document.objects[grant.object_set].type:
                target = Selector.of(lifted.select, lifted.id).conditions
                floor = min(lowest, policy.rank(entry.floor))
                yield floor, Who.of(entry.subject).selector.conditions, target


def _forbidden(
    policy: Policy, action: str, subject_type: str, object_type: str
) -> Iterator[tuple[Selector, Selector]]:
    """What the policy forbids, as pairs of selectors over subject and object.

    What it forbids only where labels match is left out: it proves nothing of the rest.
    """
    for rule in policy.document.forbid:
        if rule.match:
            continue
        if rule.actions is not None and action not in resolve_all(
            rule.actions, policy.document.actions
        ):
            continue
        subject = Selector(())
        if rule.subject is not None:
            if rule.subject.type != subject_type:
                continue
            subject = Who.of(rule.subject).selector
        target = Selector(())
        if rule.object is not None:
            entry = policy.document.objects[rule.object]
            if entry.type != object_type:
                continue
            target = Selector.of(entry.select, entry.id)
        yield subject, target


def _witness(question: _Question, budget: _Budget) -> tuple[Values, Values] | None:
    """Labels of a subject and an object that answer the question with yes."""
    mine, theirs = _conditions(question)
    own_labels = sorted({c.label for c in mine} | {tie[1] for tie in question.ties})
    its_labels = sorted({c.label for c in theirs} | {tie[0] for tie in question.ties})
    own = [_domain(question, label, mine, question.subject, own=True) for label in own_labels]
    its = [_domain(question, label, theirs, question.object, own=False) for label in its_labels]
    budget.spend(prod(len(domain) for domain in (*own, *its)), (*own_labels, *its_labels))
    for choice in product(*own, *its):
        subject = dict(zip(own_labels, choice[: len(own)], strict=True))
        target = dict(zip(its_labels, choice[len(own) :], strict=True))
        if _answers(question, subject, target):
            return subject, target
    return None


def _conditions(question: _Question) -> tuple[list[Condition], list[Condition]]:
    """Every condition that is involved, on the subject and on the object."""
    mine = [*question.subject, *(c for one, _ in question.pair_nots for c in one.conditions)]
    theirs = [
        *question.object,
        *(c for selector in question.object_nots for c in selector.conditions),
        *(c for _, two in question.pair_nots for c in two.conditions),
    ]
    return mine, theirs


def _domain(
    question: _Question,
    label: str,
    involved: Sequence[Condition],
    required: Iterable[Condition],
    *,
    own: bool,
) -> list[frozenset[str]]:
    """The values of one label that need to be tried: those that fit what is required."""
    mine, theirs = _conditions(question)
    values = {v for c in involved if c.label == label for v in _mentioned(c)}
    for object_label, subject_label in question.ties:
        if label == (subject_label if own else object_label):
            other, where = (object_label, theirs) if own else (subject_label, mine)
            values |= {v for c in where if c.label == other for v in _mentioned(c)}
    values.add(OTHER)
    several = label in question.split or (question.many_subject if own else question.many_object)
    mentions = sum(c.label == label for c in involved) + sum(label in tie for tie in question.ties)
    most = min(mentions, len(values)) if several and label != OWN_ID else 1
    least = 1 if label == OWN_ID else 0
    sizes = range(least, max(most, 1) + 1)
    if sum(comb(len(values), size) for size in sizes) > MOST_TRIALS:
        raise _TooMany(label)
    tried = [frozenset(chosen) for size in sizes for chosen in combinations(sorted(values), size)]
    wanted = [c for c in required if c.label == label]
    return [choice for choice in tried if all(c.holds({label: choice}) for c in wanted)]


def _mentioned(condition: Condition) -> frozenset[str]:
    return (condition.one_of or NONE) | condition.none_of


def _answers(question: _Question, subject: Values, target: Values) -> bool:
    """Whether labels that fit what is required also fit the rest."""
    for theirs, mine in question.ties:
        if target.get(theirs, NONE).isdisjoint(subject.get(mine, NONE)):
            return False
    if any(selector.matches(target) for selector in question.object_nots):
        return False
    return not any(one.matches(subject) and two.matches(target) for one, two in question.pair_nots)


def _shown(values: Values) -> str:
    parts = [f"{label}: {'|'.join(sorted(values[label]))}" for label in values if values[label]]
    return "{" + ", ".join(parts) + "}"
