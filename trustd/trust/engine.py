"""The engine: telemetry and findings of a fleet in, trust out, a step at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from trustd.errors import NoSuchGuest
from trustd.model import Behaviour, Driver, FeatureSpec, Finding, GuestId, Severity
from trustd.trust import (
    baseline,
    conduct,
    document,
    evidence,
    explain,
    learned,
    ledger,
    opinion,
    plain,
    rarity,
    record,
    snapshot,
    standing,
    windows,
)
from trustd.trust.columns import Array, Column, Table
from trustd.trust.envelopes import Crossing, Envelopes
from trustd.trust.explain import Explanation
from trustd.trust.ledger import Ledger, OpenFinding
from trustd.trust.scores import Scores
from trustd.trust.settings import Settings

MOST_BAD = 10.0
"""What findings short of critical may add up to in a family: as much as the good."""
LONE_GAP = 60.0


class Engine:
    """Scores guests; remembers a constant amount of each; does no input or output.

    Args:
        features: the columns of the telemetry.
        guests: their ids, or how many; more may be admitted later.
        settings: of the learned lane; the defaults need no tuning.

    Raises:
        ValueError: two features or two guests have one name, or there is no feature.
    """

    def __init__(
        self,
        features: Sequence[FeatureSpec],
        guests: Sequence[str] | int = (),
        settings: Settings | None = None,
    ) -> None:
        self.features = tuple(features)
        self.settings = settings or Settings()
        names = [feature.name for feature in self.features]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"features need one or more names, each of them once: {names}")
        families = list(dict.fromkeys(feature.family for feature in self.features))
        self._member = np.array(
            [[feature.family == family for family in families] for feature in self.features],
            dtype=float,
        )
        self._table = Table(
            _schema(self.settings),
            {
                "guest": (),
                "feature": names,
                "family": families,
            },
        )
        self._learned = learned.Learned(self.features, self.settings)
        self._window = windows.Clock.fresh()
        self._ledger = Ledger()
        self._envelopes = Envelopes(self.features)
        self._arranged = False
        self._rows: dict[GuestId, int] = {}
        self._behaviours: dict[GuestId, Behaviour] = {}
        self._clock = 0.0
        self._at: float | None = None
        ids = map(str, range(guests)) if isinstance(guests, int) else guests
        for guest in ids:
            self.admit(GuestId(guest))

    @property
    def guests(self) -> tuple[GuestId, ...]:
        """The guests in the order of their rows; it changes when one is retired."""
        return tuple(self._rows)

    def admit(self, guest: GuestId, behaviour: Behaviour | None = None) -> None:
        """Begin to watch a guest of which nothing is known.

        Raises:
            ValueError: it is watched already.
        """
        if guest in self._rows:
            raise ValueError(f"guest {guest} is already watched")
        row = self._table.add()
        self._rows[guest] = row
        self._table["trust"][row] = self.settings.base_rate
        self.behave(guest, behaviour or Behaviour())

    def retire(self, guest: GuestId) -> None:
        """Forget a guest; the last row takes its place.

        Raises:
            NoSuchGuest: it is not watched.
        """
        row = self.row(guest)
        last = next(reversed(self._rows))
        self._table.drop(row)
        del self._rows[guest], self._behaviours[guest]
        if last != guest:
            del self._rows[last]
            order = list(self._rows)
            order.insert(row, last)
            self._rows = {each: place for place, each in enumerate(order)}
        self._ledger.forget(guest)
        self._arranged = False

    def behave(self, guest: GuestId, behaviour: Behaviour) -> None:
        """Take over a guest's behaviour terms from the policy.

        Raises:
            NoSuchGuest: it is not watched.
        """
        row = self.row(guest)
        self._behaviours[guest] = behaviour
        conduct.apply(self._table, row, behaviour, self.features)
        self._ledger.rejudge(guest, behaviour)
        self._weigh_open(guest)
        self._arranged = False

    def row(self, guest: GuestId) -> int:
        """A guest's row.

        Raises:
            NoSuchGuest: it is not watched.
        """
        try:
            return self._rows[guest]
        except KeyError:
            raise NoSuchGuest(f"guest {guest} is not watched") from None

    def step(
        self,
        values: ArrayLike,
        *,
        at: float,
        seconds: ArrayLike,
        findings: Sequence[Finding] = (),
        contention: float = 0.0,
    ) -> Scores:
        """Score one tick, then learn from it.

        Args:
            values: shape (guests, features), in the features' units; NaN is a gap.
            at: epoch seconds.
            seconds: for which the values stand; one number, or one a guest.
            findings: those that are open now. One of a guest that is not watched
                is passed over: it may have been retired since.
            contention: of the host in [0, 1]: features that a busy host moves
                count the less.

        Raises:
            ValueError: the shapes do not fit.
        """
        table = self._table
        measured, spent = self._tick(values, seconds)
        passed = self._pass(at, spent)
        self._fast(measured, spent, at, findings)
        judged = windows.gather(
            table,
            self._window,
            measured,
            spent,
            passed=passed,
            contention=min(max(contention, 0.0), 1.0),
            stride=self.settings.stride,
            window=self.settings.window,
        )
        present = np.isfinite(measured)
        known = present | (table["level.seen"] > 0)
        covered = np.zeros(table["good"].shape)
        families = self._member.shape[1]
        covered[:, :families] = (present @ self._member) / np.maximum(known @ self._member, 1.0)
        standing.advance(table, covered, passed, self.settings)
        if judged is not None:
            self._learned.judge(table, judged, at=at, clock=self._clock)
            standing.latch(table, self.settings, self._clock)
        return self._scores(np.asarray(present.any(axis=1)), passed, judged=judged is not None)

    def explain(self, index: int | GuestId) -> Explanation:
        """Why a guest stands where it stands, and what would restore it.

        Args:
            index: its row or its id.
        """
        row = self.row(index) if isinstance(index, str) else index
        guest = self.guests[row]
        return explain.explain(self._table, row, self.features, self._ledger.of(guest), self._at)

    def drivers(self, index: int, most: int = 3) -> tuple[Driver, ...]:
        """The largest terms against a guest; empty for a clean one."""
        found = self._ledger.of(self.guests[index])
        return explain.drivers(self._table, index, self.features, found, most)

    def open_findings(self, guest: GuestId) -> tuple[OpenFinding, ...]:
        """A guest's open findings, envelopes among them, the gravest first."""
        return self._ledger.of(guest)

    def acknowledge(
        self, guest: GuestId, verdict: Literal["benign", "attack"], *, at: float
    ) -> None:
        """Take an operator's word on what a guest did.

        Benign: it is normal from now on and nothing is held against the guest.
        Attack: what it taught is taken back. Either ends the open findings.
        """
        row = self.row(guest)
        table = self._table
        self._at = max(at, self._at or at)
        self._ledger.forget(guest)
        self._weigh_open(guest)
        table["hold.until"][row] = -inf
        if verdict == "benign":
            record.teach(table, row)
            for name in ("latch", "agreed", "nu", "agree", "bad", "net", "blame", "repeats"):
                table[name][row] = 0.0
            weighed = standing.weigh(table)
            good, bad = weighed.good[row], weighed.bad[row]
            belief, _, unsure = opinion.opinion(good, bad)
            table["trust"][row] = belief + self.settings.base_rate * unsure
        else:
            record.unteach(table, row)
            table["repeats"][row] += 1.0
            table["hold.until"][row] = self._clock + self.settings.hold

    def export(self, guest: GuestId) -> dict[str, Any]:
        """All that is known of a guest, as values that JSON can carry.

        Raises:
            NoSuchGuest: it is not watched.
        """
        return document.export(
            self._table,
            self.row(guest),
            guest,
            features=self.features,
            found=self._ledger.of(guest),
            clock=self._clock,
            at=self._at or 0.0,
        )

    def restore(self, saved: Mapping[str, Any]) -> GuestId:
        """Take over a guest from its document; admitted where it is not watched yet.

        Of a guest that was measured here already, what is known stays, and of
        trust and evidence the worse of both.

        Raises:
            StoreError: the document is damaged or of an unknown version; nothing
                is changed by it.
        """
        document.check(saved)
        guest = GuestId(str(saved["guest"]))
        newcomer = guest not in self._rows
        if newcomer:
            self.admit(guest)
        row = self._rows[guest]
        for each in saved["families"]:
            self._family(each)
        newcomer = newcomer or float(self._table["age"][row]) <= 0.0
        document.restore(
            self._table,
            row,
            saved,
            features=self.features,
            clock=self._clock,
            newcomer=newcomer,
        )
        for each in saved["findings"]:
            self._ledger.put(guest, plain.as_open_finding(each, guest, self._clock))
        self._weigh_open(guest)
        return guest

    def dump(self) -> bytes:
        """The whole state; :meth:`load` goes on from it as if nothing had been."""
        found = [each for guest in self._rows for each in self._ledger.of(guest)]
        head = {
            "features": [plain.feature(each) for each in self.features],
            "settings": plain.settings(self.settings),
            "guests": list(self._rows),
            "behaviours": [plain.behaviour(self._behaviours[guest]) for guest in self._rows],
            "clock": self._clock,
            "at": self._at,
            "window": {
                "slot": self._window.slot,
                "elapsed": self._window.elapsed,
                "spans": self._window.spans.tolist(),
                "contention": self._window.contention,
            },
            "findings": [plain.open_finding(each, 0.0) for each in found],
            "envelopes": [
                [guest, plain.envelope(envelope), *counts]
                for (guest, envelope), counts in self._envelopes.counts().items()
            ],
        }
        return snapshot.pack(head, self._table)

    @classmethod
    def load(
        cls,
        data: bytes,
        *,
        features: Sequence[FeatureSpec] | None = None,
        settings: Settings | None = None,
    ) -> Engine:
        """An engine as it was dumped.

        Args:
            features: the present ones; those of the dump if left out. They are
                matched by name, and one that is new starts as it would in a guest
                that is new.
            settings: the present ones; those of the dump if left out.

        Raises:
            StoreError: the bytes are damaged, or of a version that is not known.
        """
        saved = snapshot.unpack(data)
        head = saved.head
        theirs = [plain.as_feature(each) for each in head["features"]]
        engine = cls(
            features or theirs, head["guests"], settings or plain.as_settings(head["settings"])
        )
        for family in saved.table.labels["family"]:
            engine._family(family)
        engine._table.take(saved.table)
        for guest, terms in zip(engine._rows, head["behaviours"], strict=True):
            engine.behave(guest, plain.as_behaviour(terms))
        engine._clock, engine._at = head["clock"], head["at"]
        engine._window = windows.Clock(
            head["window"]["slot"],
            head["window"]["elapsed"],
            np.array(head["window"]["spans"]),
            head["window"]["contention"],
        )
        for each in head["findings"]:
            guest = GuestId(each["guest"])
            engine._ledger.put(guest, plain.as_open_finding(each, guest, 0.0))
        engine._envelopes.recall(
            {
                (GuestId(guest), plain.as_envelope(envelope)): (over, silent, is_open)
                for guest, envelope, over, silent, is_open in head["envelopes"]
            }
        )
        for guest in engine._rows:
            engine._weigh_open(guest)
        return engine

    def _tick(self, values: ArrayLike, seconds: ArrayLike) -> tuple[Array, Array]:
        """Telemetry and its times, checked; what is no number is a gap."""
        measured = np.array(values, dtype=float)
        shape = (len(self._rows), len(self.features))
        if measured.shape != shape:
            raise ValueError(f"values have the shape {measured.shape}, expected {shape}")
        spent = np.array(np.broadcast_to(np.asarray(seconds, dtype=float), shape[:1]))
        timed = np.isfinite(spent) & (spent > 0)
        spent[~timed] = 0.0
        measured[~np.isfinite(measured) | (measured < 0) | ~timed[:, None]] = np.nan
        return measured, spent

    def _pass(self, at: float, spent: Array) -> float:
        """Move the engine's clock; the seconds that passed."""
        timed = spent[spent > 0]
        apart = at - self._at if self._at is not None else 0.0
        passed = float(np.median(timed)) if len(timed) else min(max(apart, 0.0), LONE_GAP)
        unseen = apart - passed
        if unseen > LONE_GAP + 2.0 * passed:
            # Nobody watched: what was good fades, by a half-life at most because
            # the clock may have stepped; what was bad stays as it is.
            half_life = self._table["behaviour.good"]
            faded = np.exp2(-np.minimum(unseen, half_life) / half_life)
            self._table["good"][:] *= faded[:, None]
        self._clock += passed
        self._at = at
        return passed

    def _fast(self, measured: Array, spent: Array, at: float, findings: Sequence[Finding]) -> None:
        """Envelopes and findings of this tick."""
        if not self._arranged:
            self._envelopes.arrange(self._behaviours_by_row())
            self._arranged = True
        changed = self._ledger.expire(self._clock)
        for crossing in self._envelopes.check(measured, spent):
            if crossing.opened:
                self._report(self._as_finding(crossing, at), at)
            else:
                self._ledger.close(crossing.guest, crossing.key)
            changed.add(crossing.guest)
        for finding in findings:
            if finding.guest in self._rows:
                self._report(finding, at)
                changed.add(finding.guest)
        for guest in changed:
            if guest in self._rows:
                self._weigh_open(guest)

    def _behaviours_by_row(self) -> list[tuple[GuestId, Behaviour]]:
        return [(guest, self._behaviours[guest]) for guest in self._rows]

    def _as_finding(self, crossing: Crossing, at: float) -> Finding:
        envelope = crossing.envelope
        kind, key = crossing.key
        spec = next(each for each in self.features if each.name == envelope.feature)
        return Finding(
            guest=crossing.guest,
            kind=kind,
            key=key,
            severity=envelope.severity,
            family=spec.family,
            source="envelope",
            at=at,
            summary=explain.crossed(envelope, crossing.value, spec.unit),
            holds=inf,
            facts={"value": crossing.value, "most": envelope.most, "least": envelope.least},
        )

    def _report(self, finding: Finding, at: float) -> None:
        """Enter a finding; a new one is evidence."""
        behaviour = self._behaviours[finding.guest]
        if not self._ledger.report(finding, behaviour, at=at, clock=self._clock):
            return
        row, place = self._rows[finding.guest], self._family(finding.family)
        severity = behaviour.findings.get(finding.kind, finding.severity)
        bad, weight = self._table["bad"], ledger.WEIGHTS[severity]
        held = float(bad[row, place])
        critical = severity is Severity.CRITICAL
        bad[row, place] = held + weight if critical else max(held, min(held + weight, MOST_BAD))
        if severity.rank >= Severity.MAJOR.rank:
            self._table["repeats"][row] += 1.0

    def _family(self, family: str) -> int:
        """The place of a family; a new one is added."""
        labels = self._table.labels["family"]
        if family in labels:
            return labels.index(family)
        place = self._table.widen("family", family)
        for guest, behaviour in self._behaviours.items():
            conduct.apply(self._table, self._rows[guest], behaviour, self.features)
        return place

    def _weigh_open(self, guest: GuestId) -> None:
        """Ceiling and least bad evidence of a guest from its open findings."""
        row, found = self._rows[guest], self._ledger.of(guest)
        self._table["ceiling"][row] = min((each.ceiling for each in found), default=1.0)
        floors: Mapping[int, float] = {}
        for each in found:
            place = self._family(each.finding.family)
            floors = {**floors, place: max(floors.get(place, 0.0), ledger.WEIGHTS[each.severity])}
        self._table["floor"][row] = 0.0
        for place, weight in floors.items():
            self._table["floor"][row, place] = weight

    def _scores(self, fresh: Array, passed: float, *, judged: bool) -> Scores:
        table = self._table
        weighed = standing.weigh(table)
        belief, disbelief, unsure = opinion.opinion(weighed.good, weighed.bad)
        base_rate = self.settings.base_rate
        projected = belief + base_rate * unsure
        trust = standing.settle(table, projected, fresh, passed)
        clean = (disbelief < explain.NEGLIGIBLE) & (table["ceiling"] >= 1.0)
        clean &= projected - trust < explain.NEGLIGIBLE
        return Scores(
            trust=trust,
            belief=belief,
            disbelief=disbelief,
            uncertainty=unsure,
            evidence=table["net"].astype(float),
            base_rate=base_rate,
            ceiling=table["ceiling"].astype(float),
            clean=clean,
            fresh=fresh,
            judged=judged,
        )


def _schema(settings: Settings) -> dict[str, Column]:
    """Everything that is remembered of a guest."""
    paces = len(settings.paces)
    return {
        **windows.COLUMNS,
        **baseline.COLUMNS,
        **rarity.COLUMNS,
        **evidence.columns(paces),
        **record.columns(paces),
        **learned.COLUMNS,
        **conduct.COLUMNS,
        **standing.COLUMNS,
    }
