"""Which findings are open, what each allows, and when it ends by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from trustd.model import Behaviour, Finding, GuestId, Severity

WEIGHTS: Mapping[Severity, float] = {
    Severity.INFO: 0.0,
    Severity.MINOR: 0.5,
    Severity.MAJOR: 4.0,
    Severity.CRITICAL: 20.0,
}
"""Bad evidence of a finding, against 10 of good evidence at most."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding that is open.

    Args:
        finding: as it was last reported.
        severity: by the policy, else by its source; the highest since it opened.
        ceiling: the most that trust may be meanwhile.
        opened: epoch seconds of the first report.
        until: on the engine's clock, when it ends unless it is reported again.
    """

    finding: Finding
    severity: Severity
    ceiling: float
    opened: float
    until: float


MOST_OPEN = 64
"""Open findings of one guest beyond which those of a kind are folded into one."""
MORE = "and more"


class Ledger:
    """The open findings of all guests, folded by (guest, kind, key)."""

    def __init__(self) -> None:
        self._open: dict[GuestId, dict[Key, OpenFinding]] = {}
        self._ended: dict[GuestId, OpenFinding] = {}
        self._next = inf

    def report(self, finding: Finding, behaviour: Behaviour, *, at: float, clock: float) -> bool:
        """Enter a finding; whether it is a new one and not one still open."""
        severity = behaviour.findings.get(finding.kind, finding.severity)
        until = clock + max(finding.holds, 0.0)
        key = (finding.kind, finding.key)
        of_guest = self._open.setdefault(finding.guest, {})
        known = of_guest.get(key)
        if known is None and len(of_guest) >= MOST_OPEN:
            # whoever chooses the keys (an escaped emulator its ports, say) fills no memory
            key = (finding.kind, MORE)
            known = of_guest.get(key)
            if known is None and len(of_guest) >= 2 * MOST_OPEN:
                # many mild ones must not keep a grave one out
                mildest = min(of_guest, key=lambda each: of_guest[each].severity.rank)
                if of_guest[mildest].severity.rank >= severity.rank:
                    return False
                del of_guest[mildest]
        opened = at
        if known is not None:
            severity = max(severity, known.severity, key=lambda each: each.rank)
            opened, until = known.opened, max(until, known.until)
        of_guest[key] = OpenFinding(
            finding, severity, _ceiling(behaviour, severity, finding), opened, until
        )
        self._next = min(self._next, until)
        return known is None

    def close(self, guest: GuestId, key: Key) -> bool:
        """End a finding; whether there was one."""
        of_guest = self._open.get(guest, {})
        ended = of_guest.pop(key, None)
        if not of_guest:
            self._open.pop(guest, None)
        if ended is not None:
            self._ended[guest] = ended
        return ended is not None

    def last_ended(self, guest: GuestId) -> OpenFinding | None:
        """A guest's finding that ended last, for an explanation of what fades."""
        return self._ended.get(guest)

    def expire(self, clock: float) -> set[GuestId]:
        """End what was not reported again; the guests that it changes."""
        if clock < self._next:
            return set()
        ended = [
            (guest, key)
            for guest, of_guest in self._open.items()
            for key, each in of_guest.items()
            if each.until <= clock
        ]
        for guest, key in ended:
            self.close(guest, key)
        self._next = min(
            (each.until for of_guest in self._open.values() for each in of_guest.values()),
            default=inf,
        )
        return {guest for guest, _ in ended}

    def rejudge(self, guest: GuestId, behaviour: Behaviour) -> None:
        """Apply a new policy to a guest's open findings."""
        for key, each in list(self._open.get(guest, {}).items()):
            severity = behaviour.findings.get(each.finding.kind, each.finding.severity)
            self._open[guest][key] = replace(
                each, severity=severity, ceiling=_ceiling(behaviour, severity, each.finding)
            )

    def of(self, guest: GuestId) -> tuple[OpenFinding, ...]:
        """A guest's open findings, the gravest first."""
        found = self._open.get(guest, {}).values()
        return tuple(sorted(found, key=lambda each: (-each.severity.rank, each.opened)))

    def put(self, guest: GuestId, entry: OpenFinding) -> None:
        """Enter one as it was saved."""
        key = (entry.finding.kind, entry.finding.key)
        self._open.setdefault(guest, {})[key] = entry
        self._next = min(self._next, entry.until)

    def add(self, guest: GuestId, entry: OpenFinding) -> None:
        """Enter another guest's as this one's; of two alike the worse part of each counts."""
        mine = replace(entry, finding=replace(entry.finding, guest=guest))
        known = self._open.get(guest, {}).get((entry.finding.kind, entry.finding.key))
        if known is not None:
            mine = replace(
                mine,
                severity=max(mine.severity, known.severity, key=lambda each: each.rank),
                ceiling=min(mine.ceiling, known.ceiling),
                opened=min(mine.opened, known.opened),
                until=max(mine.until, known.until),
            )
        self.put(guest, mine)

    def forget(self, guest: GuestId) -> None:
        """End all of a guest's, and what was remembered of those that ended."""
        self._open.pop(guest, None)
        self._ended.pop(guest, None)


def weight_of(finding: Finding, severity: Severity) -> float:
    """Bad evidence that a finding is: its severity's, as far as it is believed."""
    return WEIGHTS[severity] * finding.confidence


def _ceiling(behaviour: Behaviour, severity: Severity, finding: Finding) -> float:
    """A severity's ceiling, lifted as far as the finding is doubted."""
    bound = ceiling_of(behaviour, severity)
    return bound + (1.0 - bound) * (1.0 - finding.confidence)


def ceiling_of(behaviour: Behaviour, severity: Severity) -> float:
    """The most that trust may be under a finding of a severity; 1: no bound.

    A graver finding never allows more than a milder one does.
    """
    return min(
        (bound for each, bound in behaviour.ceilings.items() if each.rank <= severity.rank),
        default=1.0,
    )
