"""When an incident opens, how grave it is, and what becomes of it: no clock, no store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite

from trustd.model import Assessment, Finding, Freshness, GuestId, Severity
from trustd.model.incident import Conclusion, Incident, IncidentState, Mark, Point, Trigger
from trustd.policy import Policy

MOST_EVIDENCE = 300
"""Lines that trustd itself writes into one record; a guest chooses how many there could be."""
MOST_AFFECTED = 50
MOST_POINTS = 400
"""When there are more, every second one goes."""
MOST_OWN = 1000
"""Lines of one record beyond which trustd itself adds none; what people do is still noted."""
STEP, PACE = 0.02, 60.0
"""Trust that moved so far is a new point, or that moved at all in so many seconds."""
_STILL = 0.002


class Rules:
    """What one policy says of incidents."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._said = policy.document.incidents
        first = self._said.open_at
        self._silence = policy.document.trust.stale.after
        self._from = max(1, policy.lowest - 1) if first is None else policy.rank(first)
        self.reopen = self._said.reopen
        self.resolve = self._said.resolve

    def low(self, band: str) -> bool:
        """Whether a guest in this band is an incident."""
        return self._policy.rank(band) >= self._from

    def calm(self, guest: Assessment) -> bool:
        """Whether nothing can be the matter with a guest: so it is with most, at every tick."""
        return not guest.findings and not self.low(guest.automatic or guest.band)

    def silent(self, guest: Assessment) -> bool:
        """Whether a guest that runs has not answered for so long that it tells against it.

        One answer that is late may be a busy host's doing; of a guest that never gave one
        (whose age is NaN) nothing is known.
        """
        return guest.freshness is Freshness.PARTIAL and guest.age > self._silence

    def worse(self, now: Trigger, before: Trigger) -> bool:
        """Whether something is the matter that was not."""
        if now.critical - before.critical or (now.held and not before.held):
            return True
        if not now.low or not before.low:
            return bool(now.low)
        return self._policy.rank(now.low) > self._policy.rank(before.low)

    def severity(self, trigger: Trigger) -> Severity:
        """How grave it is."""
        found = [Severity.CRITICAL] if trigger.critical else []
        if trigger.held:
            found.append(self._said.hold)
        if trigger.low:
            last = self._policy.rank(trigger.low) == self._policy.lowest
            usual = Severity.CRITICAL if last else Severity.MAJOR
            found.append(self._said.severities.get(trigger.low, usual))
        return max(found, key=lambda each: each.rank, default=Severity.INFO)

    def judged(self, finding: Finding, guest: Assessment) -> Severity:
        """How grave a finding is: by the policy, else by its source."""
        behaviour = self._policy.newcomer_of(guest.permissions.roles).behaviour
        return behaviour.findings.get(finding.kind, finding.severity)

    def due(self, severity: Severity, at: float) -> float | None:
        """Until when somebody should look; None for no deadline."""
        seconds = self._said.respond.get(severity)
        return None if seconds is None else at + seconds


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of an incident in a tick.

    Args:
        news: the marks that the journal has too.
    """

    incident: Incident
    news: tuple[Mark, ...] = ()


def trigger_of(guest: Assessment, before: Trigger, rules: Rules) -> Trigger | None:
    """What is the matter with a guest; None where a tick does not say.

    A newcomer may begin in a low band with nothing held against it: that is no fall.
    """
    if guest.freshness in {Freshness.STALE, Freshness.IDLE}:
        return None
    band = guest.automatic or guest.band
    against = guest.drivers or guest.findings or rules.silent(guest) or before.low
    return Trigger(
        low=band if against and rules.low(band) else "",
        critical=frozenset(
            f"{each.kind} {each.key}".rstrip()
            for each in guest.findings
            if rules.judged(each, guest) is Severity.CRITICAL
        ),
    )


def opened(
    number: int,
    trigger: Trigger,
    rules: Rules,
    *,
    guest: GuestId,
    name: str,
    at: float,
    before: Incident | None,
) -> Next:
    """A new incident, linked to the one before."""
    severity = rules.severity(trigger)
    mark = Mark(at, "opened", cause_of(trigger))
    made = Incident(
        number=number,
        guest=guest,
        name=name,
        severity=severity,
        cause=mark.text,
        opened=at,
        due=rules.due(severity, at),
        follows=None if before is None else before.number,
        marks=(mark,),
        trigger=trigger,
    )
    return Next(made, (mark,))


def reopened(incident: Incident, trigger: Trigger, rules: Rules, at: float) -> Next:
    """A resolved incident that came back: as urgent as a new one."""
    mark = Mark(at, "again", f"re-opened: {cause_of(trigger)}")
    severity = max(incident.severity, rules.severity(trigger), key=lambda each: each.rank)
    again = replace(
        incident,
        state=IncidentState.OPEN,
        severity=severity,
        due=rules.due(severity, at),
        acknowledged=None,
        recovered=None,
        resolved=None,
        conclusion=None,
        reopened=incident.reopened + 1,
        marks=_marked(incident, mark),
        trigger=trigger,
    )
    return Next(again, (mark,))


def _marked(incident: Incident, *news: Mark) -> tuple[Mark, ...]:
    """The record with what is new, unless a guest that comes and goes has filled it.

    The state goes on changing, and there is room left for what people have to say.
    """
    full = len(incident.marks) >= MOST_OWN
    return incident.marks if full else (*incident.marks, *news)


def moved(incident: Incident, trigger: Trigger, rules: Rules, at: float) -> Next:
    """An open incident after one more look at what opened it; the same object if nothing is new."""
    news: list[Mark] = []
    state, recovered = incident.state, incident.recovered
    severity, due = incident.severity, incident.due
    if trigger.quiet and state is IncidentState.OPEN:
        state, recovered = IncidentState.RECOVERED, at
        news.append(Mark(at, "recovered", "what opened it is over"))
    elif not trigger.quiet and state is IncidentState.RECOVERED:
        state, recovered = IncidentState.OPEN, None
        news.append(Mark(at, "again", cause_of(trigger)))
    if rules.severity(trigger).rank > severity.rank:
        news.append(
            Mark(
                at,
                "severity",
                f"{severity} before, {rules.severity(trigger)} now: {cause_of(trigger)}",
            )
        )
        severity = rules.severity(trigger)
        due = min(
            (each for each in (due, rules.due(severity, at)) if each is not None), default=None
        )
    if not news and trigger == incident.trigger:
        return Next(incident)
    after = replace(
        incident,
        state=state,
        recovered=recovered,
        severity=severity,
        due=due,
        trigger=trigger,
        marks=_marked(incident, *news),
    )
    return Next(after, tuple(news))


def ended(incident: Incident, rules: Rules, at: float) -> Next:
    """The incident, resolved where the policy has that after a time; else the same object."""
    since = incident.recovered
    if rules.resolve is None or since is None or at - since < rules.resolve:
        return Next(incident)
    mark = Mark(
        at, "resolved", "recovered for as long as the policy waits; nobody said what it was"
    )
    done = replace(
        incident,
        state=IncidentState.RESOLVED,
        resolved=at,
        conclusion=Conclusion.NONE,
        marks=(*incident.marks, mark),
    )
    return Next(done, (mark,))


def witnessed(
    incident: Incident, guest: Assessment, before: Assessment | None, rules: Rules
) -> Incident:
    """The incident with what a tick shows of its guest; the same object if nothing is new.

    Args:
        before: the guest one tick earlier, for the first point.
    """
    seen = {(each.name, each.severity) for each in incident.marks if each.kind == "evidence"}
    marks = incident.marks
    if len(seen) < MOST_EVIDENCE:
        marks += tuple(
            each for each in _evidence(guest, rules) if (each.name, each.severity) not in seen
        )
    affected = incident.affected
    if len(affected) < MOST_AFFECTED:
        affected = tuple(dict.fromkeys((*affected, *_lost(guest))))
    points = incident.points
    if not points and before is not None:
        points = _with_point(points, before)
    points = _with_point(points, guest)
    if marks is incident.marks and affected == incident.affected and points is incident.points:
        return incident
    return replace(incident, marks=marks, affected=affected, points=points)


def held(incident: Incident, guests: dict[GuestId, Assessment], at: float) -> Incident:
    """The incident of a hold, with every guest that is held and was not yet told."""
    told = {each.name for each in incident.marks if each.kind == "hold"}
    new = tuple(
        Mark(at, "hold", f"{each.guest.name} is {each.band} and is not narrowed", name=id_)
        for id_, each in guests.items()
        if id_ not in told
    )[: max(0, MOST_EVIDENCE - len(told))]
    return replace(incident, marks=(*incident.marks, *new)) if new else incident


def cause_of(trigger: Trigger) -> str:
    """Why, in one sentence.

    >>> cause_of(Trigger(low="restricted"))
    'trust fell to the band restricted'
    >>> cause_of(Trigger(low="isolated", critical=frozenset({"hidden-process"})))
    'trust fell to the band isolated; critical: hidden-process'
    """
    parts = [f"trust fell to the band {trigger.low}"] if trigger.low else []
    if trigger.critical:
        parts.append(f"critical: {', '.join(sorted(trigger.critical)[:5])}")
    if trigger.held:
        parts.append("too many guests fell at once, and narrowing is held")
    return "; ".join(parts)


def _evidence(guest: Assessment, rules: Rules) -> Iterator[Mark]:
    kinds = {each.kind for each in guest.findings}
    for driver in guest.drivers:
        # what a finding says is said once
        if driver.share > 0 and driver.name not in kinds:
            yield Mark(guest.at, "evidence", driver.text, name=driver.name)
    for each in guest.findings:
        name = f"{each.kind} {each.key}".rstrip()
        yield Mark(each.at, "evidence", each.summary, name=name, severity=rules.judged(each, guest))


def _lost(guest: Assessment) -> Iterator[str]:
    for access in guest.permissions.access:
        if access.lost:
            yield f"{' '.join(sorted(access.lost))} on {access.object.type} {access.object.id}"


def _with_point(points: tuple[Point, ...], guest: Assessment) -> tuple[Point, ...]:
    if not isfinite(guest.trust):
        return points
    if points:
        last = points[-1]
        by, after = abs(guest.trust - last.trust), guest.at - last.at
        slow = after >= PACE and by >= _STILL
        if guest.band == last.band and by < STEP and not slow:
            return points
    if len(points) >= MOST_POINTS:
        points = (*points[:-1:2], points[-1])
    return (*points, Point(guest.at, round(guest.trust, 4), guest.band))
