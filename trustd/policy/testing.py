"""Run cases against a policy, and tell what of the policy no case ever reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trustd.model import Decision, ObjectRef
from trustd.policy import reasons
from trustd.policy.bands import Standing
from trustd.policy.cases import Case, CaseFile, CaseSubject
from trustd.policy.compile import Policy
from trustd.policy.decide import decide
from trustd.policy.terms import GUEST
from trustd.policy.walls import occupancy

TICK = 5.0
"""Seconds between two samples of a trace."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer that is not the expected one.

    Args:
        action: empty where the band is wrong.
    """

    case: str
    action: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Rules of the policy that no case reached.

    Args:
        permits: as ``role: object set``.
        drops: roles and bands, as ``role: band``.
        forbids: their reasons.
        bands: their names.
        reached, rules: counts of all kinds together.
    """

    permits: tuple[str, ...]
    drops: tuple[str, ...]
    forbids: tuple[str, ...]
    bands: tuple[str, ...]
    reached: int
    rules: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the cases.

    Args:
        answers: how many were compared.
        permitted: how many of them were permits.
    """

    answers: int
    permitted: int
    failed: tuple[Failed, ...]
    coverage: Coverage


def run_cases(policy: Policy, files: Iterable[CaseFile]) -> Report:
    """Ask the policy every question of the cases."""
    failed: list[Failed] = []
    given: list[Decision] = []
    for file in files:
        for case in file.cases:
            band, answers = _answers(policy, file, case)
            given.extend(answers.values())
            if case.band is not None and case.band != band:
                failed.append(Failed(case.name, "", case.band, band))
            failed.extend(
                Failed(case.name, action, case.expect[action], decision.reason)
                for action, decision in answers.items()
                if decision.reason != case.expect[action]
            )
    permitted = sum(decision.permit for decision in given)
    return Report(len(given), permitted, tuple(failed), _coverage(policy, given))


def _answers(policy: Policy, file: CaseFile, case: Case) -> tuple[str, Mapping[str, Decision]]:
    """The band at the end of the trace, and what each action answers there."""
    who = file.subjects[case.subject]
    what = file.objects[case.object]
    identity = who.id or case.subject
    subject = policy.subject(who.type, identity, _flat(who), case.active)
    target = policy.target(ObjectRef(what.type, what.id or case.object), what.labels)
    roles = subject.roles if subject else ()
    band = policy.bands[0]
    if who.type == GUEST:
        band = trace(policy, policy.newcomer_of(roles).probation, case).band
    neighbours = {file.subjects[name].id or name: file.subjects[name] for name in case.running}
    running = {name: policy.values(name, _flat(other)) for name, other in neighbours.items()}
    occupied = occupancy(policy.walls, running)
    history = {wall: frozenset(values) for wall, values in case.history.items()}
    return band, {
        action: decide(
            policy,
            subject,
            action,
            target,
            band=band,
            at=case.at,
            history=history,
            occupied=occupied,
        ).decision
        for action in case.expect
    }


def _flat(subject: CaseSubject) -> Mapping[str, str | tuple[str, ...]]:
    """Labels with one value as that value; guests have no others."""
    return {
        label: values[0] if len(values) == 1 else values for label, values in subject.labels.items()
    }


def trace(policy: Policy, probation: str | None, case: Case) -> Standing:
    """The standing at the end of a case's trace, sampled every :data:`TICK`."""
    standing = policy.relays.start(probation, at=0.0)
    clock = measured = 0.0
    for span in case.trust:
        end = clock + span.seconds
        while clock < end:
            if span.trust is not None:
                measured = clock
            standing = policy.relays.step(
                standing, span.trust, at=clock, clock=clock, stale_for=clock - measured
            )
            clock = min(clock + TICK, end)
        if span.trust is not None:
            measured = clock
        standing = policy.relays.step(
            standing, span.trust, at=clock, clock=clock, stale_for=clock - measured
        )
    return standing


def _coverage(policy: Policy, given: Iterable[Decision]) -> Coverage:
    document = policy.document
    permits = {f"{n}: {p.object}" for n, role in document.roles.items() for p in role.permits}
    drops = {
        f"{name}: {band}"
        for name, role in document.roles.items()
        for band, narrow in role.narrow.items()
        if narrow.drop
    }
    forbids = {rule.reason for rule in document.forbid}
    bands = set(policy.bands)
    rules = len(permits) + len(drops) + len(forbids) + len(bands)
    for decision in given:
        bands.discard(decision.band)
        if decision.permit:
            permits.discard(f"{decision.role}: {decision.detail['object_set']}")
        elif decision.reason == reasons.BAND_DROP:
            drops.discard(f"{decision.role}: {decision.detail['closed_in']}")
        elif decision.reason == reasons.FORBID:
            forbids.discard(str(decision.detail["rule"]))
    missed = len(permits) + len(drops) + len(forbids) + len(bands)
    return Coverage(
        permits=tuple(sorted(permits)),
        drops=tuple(sorted(drops)),
        forbids=tuple(sorted(forbids)),
        bands=tuple(sorted(bands, key=policy.rank)),
        reached=rules - missed,
        rules=rules,
    )
