"""The fast lane: stated envelopes and findings, which act within their tick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf

from trustd.model import Behaviour, Finding, GuestId, Severity
from trustd.trust import explain
from trustd.trust.columns import Array
from trustd.trust.envelopes import Crossing, Envelopes, name_of
from trustd.trust.ledger import Ledger, OpenFinding, weight_of
from trustd.trust.roster import Roster

MOST_BAD = 10.0
"""What findings short of critical may add up to in a family: as much as the good."""
MOST_CRITICAL = 100.0
"""What critical ones may: a source that repeats itself does not take a guest away for ever."""
SOURCE = "envelope"


class FastLane:
    """Watches envelopes, keeps findings, and writes what they mean into the table.

    Args:
        roster: the guests, shared with the engine.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._units = {feature.name: feature for feature in roster.features}
        self.ledger = Ledger()
        self.envelopes = Envelopes(roster.features)
        self._arranged = False

    def rearrange(self) -> None:
        """Guests came, went or changed their behaviour: arrange envelopes anew."""
        self._arranged = False

    def behave(self, guest: GuestId, behaviour: Behaviour) -> None:
        """Judge a guest's open findings by new terms; end those no longer stated."""
        stated = {name_of(envelope) for envelope in behaviour.expect}
        for each in self.ledger.of(guest):
            finding = each.finding
            if finding.source != SOURCE:
                continue
            if (finding.kind, finding.key) in stated:
                # watched here, also where it came from another host: it ends by measurement
                self.ledger.put(guest, replace(each, until=inf))
            else:
                self.ledger.close(guest, (finding.kind, finding.key))
        self.ledger.rejudge(guest, behaviour)
        self.weigh(guest)
        self.rearrange()

    def forget(self, guest: GuestId) -> None:
        """End all findings of a guest."""
        self.ledger.forget(guest)
        self.envelopes.reset(guest)
        self.rearrange()

    def enter(self, guest: GuestId, entries: Iterable[OpenFinding]) -> None:
        """Open findings as they were saved."""
        for entry in entries:
            self.ledger.put(guest, entry)
        self.weigh(guest)

    def burden(self, heir: GuestId, entries: Iterable[OpenFinding]) -> None:
        """Enter another guest's open findings as a guest's own, beside those it has."""
        for entry in entries:
            if entry.severity is not Severity.INFO:
                self.ledger.add(heir, entry)
        self.weigh(heir)
        self.rearrange()

    def step(
        self,
        measured: Array,
        spent: Array,
        findings: Sequence[Finding],
        *,
        at: float,
        clock: float,
    ) -> None:
        """Take a tick.

        Args:
            measured: shape (guests, features); NaN is a gap.
            spent: seconds that each guest's values stand for, shape (guests,).
            at: epoch seconds.
            clock: the engine's.
        """
        if not self._arranged:
            roster = self._roster
            self.envelopes.arrange(
                [(guest, roster.behaviour(guest)) for guest in roster], self._is_open
            )
            self._arranged = True
        changed = self.ledger.expire(clock)
        for crossing in self.envelopes.check(measured, spent):
            if crossing.opened:
                self._report(self._as_finding(crossing, at), at, clock)
            else:
                self.ledger.close(crossing.guest, crossing.key)
            changed.add(crossing.guest)
        # The gravest last: what milder ones may add up to does not depend on order.
        for finding in sorted(findings, key=lambda each: each.severity.rank):
            if finding.guest in self._roster:
                self._report(finding, at, clock)
                changed.add(finding.guest)
        for guest in changed:
            if guest in self._roster:
                self.weigh(guest)

    def withdraw(self, guest: GuestId, key: tuple[str, str]) -> bool:
        """End one finding; what it said so far fades by itself."""
        ended = self.ledger.close(guest, key)
        if ended:
            self.weigh(guest)
        return ended

    def vouch(self, guest: GuestId, family: str, good: float, most: float) -> None:
        """Add good evidence to a family, as long as there is less than ``most`` in it."""
        place, row = self._roster.family(family), self._roster.row(guest)
        held = self._roster.table["good"]
        held[row, place] = max(held[row, place], min(held[row, place] + good, most))

    def weigh(self, guest: GuestId) -> None:
        """Write the ceiling and the least bad evidence that open findings mean."""
        table, row = self._roster.table, self._roster.row(guest)
        found = self.ledger.of(guest)
        places = [self._roster.family(each.finding.family) for each in found]
        table["ceiling"][row] = min((each.ceiling for each in found), default=1.0)
        floor = table["floor"][row]
        floor[:] = 0.0
        for place, each in zip(places, found, strict=True):
            floor[place] = max(floor[place], weight_of(each.finding, each.severity))

    def _is_open(self, guest: GuestId, name: tuple[str, str]) -> bool:
        """Whether the finding of a crossing is open."""
        return any((each.finding.kind, each.finding.key) == name for each in self.ledger.of(guest))

    def _report(self, finding: Finding, at: float, clock: float) -> None:
        """Enter a finding; a new one is evidence."""
        behaviour = self._roster.behaviour(finding.guest)
        if not self.ledger.report(finding, behaviour, at=at, clock=clock):
            return
        place, row = self._roster.family(finding.family), self._roster.row(finding.guest)
        severity = behaviour.findings.get(finding.kind, finding.severity)
        bad, weight = self._roster.table["bad"], weight_of(finding, severity)
        held = float(bad[row, place])
        critical = severity is Severity.CRITICAL
        most = MOST_CRITICAL if critical else MOST_BAD
        bad[row, place] = max(held, min(held + weight, most))
        if severity.rank >= Severity.MAJOR.rank:
            self._roster.table["repeats"][row] += 1.0

    def _as_finding(self, crossing: Crossing, at: float) -> Finding:
        stated = crossing.envelope
        kind, key = crossing.key
        feature = self._units[stated.feature]
        return Finding(
            guest=crossing.guest,
            kind=kind,
            key=key,
            severity=stated.severity,
            family=feature.family,
            source=SOURCE,
            at=at,
            summary=explain.crossed(stated, crossing.value, feature.unit),
            holds=inf,
            facts={"value": crossing.value, "most": stated.most, "least": stated.least},
        )
