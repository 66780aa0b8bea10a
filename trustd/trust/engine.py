"""The engine: telemetry and findings of a fleet in, trust out, a step at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from trustd.model import Behaviour, Driver, FeatureSpec, Finding, GuestId
from trustd.trust import (
    document,
    explain,
    learned,
    opinion,
    record,
    snapshot,
    standing,
    telemetry,
    windows,
)
from trustd.trust.columns import Array
from trustd.trust.explain import Explanation
from trustd.trust.fastlane import FastLane
from trustd.trust.ledger import OpenFinding
from trustd.trust.roster import Roster
from trustd.trust.schema import schema
from trustd.trust.scores import Scores
from trustd.trust.settings import Settings

LONE_GAP = 60.0
"""Seconds by which a step without any measured time may move the engine's clock."""


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
        self.settings = settings or Settings()
        self._roster = Roster(features, schema(self.settings))
        self._lane = FastLane(self._roster)
        self._learned = learned.Learned(self.features, self.settings)
        self._window = windows.Clock.fresh()
        families = dict.fromkeys(feature.family for feature in self.features)
        self._member = np.array(
            [[feature.family == family for family in families] for feature in self.features],
            dtype=float,
        )
        self._clock = 0.0
        self._at: float | None = None
        ids = [str(place) for place in range(guests)] if isinstance(guests, int) else guests
        self._roster.table.reserve(len(ids))
        for guest in ids:
            self.admit(GuestId(guest))

    @property
    def features(self) -> tuple[FeatureSpec, ...]:
        """The columns of the telemetry."""
        return self._roster.features

    @property
    def guests(self) -> tuple[GuestId, ...]:
        """The guests in the order of their rows; it changes when one is retired."""
        return self._roster.guests

    def row(self, guest: GuestId) -> int:
        """A guest's row.

        Raises:
            NoSuchGuest: it is not watched.
        """
        return self._roster.row(guest)

    def admit(self, guest: GuestId, behaviour: Behaviour | None = None) -> None:
        """Begin to watch a guest of which nothing is known.

        Raises:
            ValueError: it is watched already.
        """
        self._roster.admit(guest, self.settings.base_rate)
        self.behave(guest, behaviour or Behaviour())

    def retire(self, guest: GuestId) -> None:
        """Forget a guest; the last row takes its place.

        Raises:
            NoSuchGuest: it is not watched.
        """
        self._roster.retire(guest)
        self._lane.forget(guest)

    def behave(self, guest: GuestId, behaviour: Behaviour) -> None:
        """Take over a guest's behaviour terms from the policy.

        Raises:
            NoSuchGuest: it is not watched.
        """
        self._roster.behave(guest, behaviour)
        self._lane.behave(guest, behaviour)

    def step(
        self,
        values: ArrayLike,
        *,
        at: float,
        seconds: ArrayLike,
        findings: Sequence[Finding] = (),
        contention: float = 0.0,
        elapsed: float | None = None,
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
            elapsed: seconds since the last step on a clock that never steps; None
                where there is none, then ``at`` has to do.

        Raises:
            ValueError: the shapes do not fit.
        """
        table = self._roster.table
        measured, spent = telemetry.checked(
            values, seconds, (len(self._roster), len(self.features))
        )
        passed = self._pass(at, spent, elapsed)
        self._lane.step(measured, spent, findings, at=at, clock=self._clock)
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
        fresh = np.asarray(present.any(axis=1))
        standing.advance(table, covered, np.where(fresh, spent, 0.0), passed, self.settings.good)
        if judged is not None:
            self._learned.judge(table, judged, at=at, clock=self._clock)
            standing.latch(table, self.settings, self._clock)
        return self._scores(fresh, passed, judged=judged is not None)

    def explain(self, index: int | GuestId, goals: Sequence[float] = ()) -> Explanation:
        """Why a guest stands where it stands, and what would restore it.

        Args:
            index: its row or its id.
            goals: values of trust of which it is asked when they can be reached.

        Raises:
            NoSuchGuest: it is not watched.
        """
        row = self.row(index) if isinstance(index, str) else index
        found = self._lane.ledger.of(self.guests[row])
        table, settings = self._roster.table, self.settings
        return explain.explain(
            table, row, self.features, found, at=self._at, settings=settings, goals=goals
        )

    def drivers(self, index: int, most: int = 3) -> tuple[Driver, ...]:
        """The largest terms against a guest; empty for a clean one."""
        guest, ledger = self.guests[index], self._lane.ledger
        return explain.drivers(
            self._roster.table,
            index,
            self.features,
            ledger.of(guest),
            most,
            ended=ledger.last_ended(guest),
        )

    def open_findings(self, guest: GuestId) -> tuple[OpenFinding, ...]:
        """A guest's open findings, envelopes among them, the gravest first."""
        return self._lane.ledger.of(guest)

    def withdraw(self, guest: GuestId, kind: str, key: str) -> bool:
        """End an open finding; whether there was one.

        Its ceiling ends with it. What it said so far fades as it would have anyway.

        Raises:
            NoSuchGuest: the guest is not watched.
        """
        self.row(guest)
        return self._lane.withdraw(guest, (kind, key))

    def vouch(self, guest: GuestId, family: str, good: float, *, most: float) -> None:
        """Take good evidence on a guest; open findings hold trust under their ceilings.

        Args:
            good: how much; 10 is a guest of long standing.
            most: good evidence of this family from which on it adds nothing.

        Raises:
            NoSuchGuest: the guest is not watched.
        """
        self.row(guest)
        self._lane.vouch(guest, family, good, most)

    def acknowledge(
        self, guest: GuestId, verdict: Literal["benign", "attack"], *, at: float
    ) -> None:
        """Take an operator's word on what a guest did.

        Benign: it is normal from now on and nothing is held against the guest.
        Its open findings end. Attack: what it taught is taken back, the hold begins
        anew, and what is open stays open: confirming an attack gives nothing back.

        Args:
            at: epoch seconds.

        Raises:
            NoSuchGuest: it is not watched.
        """
        row, table = self.row(guest), self._roster.table
        self._at = max(at, self._at or at)
        if verdict == "attack":
            record.unteach(table, row)
            table["repeats"][row] += 1.0
            table["hold.until"][row] = self._clock + self.settings.hold
            return
        self._lane.ledger.forget(guest)
        self._lane.weigh(guest)
        record.teach(table, row)
        table["hold.until"][row] = -inf
        standing.absolve(table, row)
        belief, _, unsure = self._opinion()
        table["trust"][row] = belief[row] + self.settings.base_rate * unsure[row]

    def export(self, guest: GuestId) -> dict[str, Any]:
        """All that is known of a guest, as values that JSON can carry.

        Raises:
            NoSuchGuest: it is not watched.
        """
        return document.export(
            self._roster.table,
            self.row(guest),
            guest,
            features=self.features,
            found=self._lane.ledger.of(guest),
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
        checked = document.check(saved, self._clock)
        guest = checked.guest
        if guest not in self._roster:
            self.admit(guest)
        for family in checked.families:
            self._roster.family(family)
        document.restore(self._roster.table, self.row(guest), checked, self.features)
        self._lane.enter(guest, checked.findings)
        return guest

    def inherit(self, heir: GuestId, saved: Mapping[str, Any]) -> float | None:
        """Let a guest take over what another's document holds against that one.

        Returns:
            The other's trust; None where nothing is held against it. What speaks for
            it is never taken over.

        Raises:
            NoSuchGuest: the heir is not watched.
            StoreError: as with :meth:`restore`.
        """
        checked = document.check(saved, self._clock)
        row = self.row(heir)
        if not document.accuses(checked, self.settings.base_rate):
            return None
        for family in checked.families:
            self._roster.family(family)
        document.burden(self._roster.table, row, checked, self.features)
        self._lane.burden(heir, checked.findings)
        return document.trust_of(checked)

    def dump(self) -> bytes:
        """The whole state; :meth:`load` goes on from it as if nothing had been."""
        return snapshot.pack(
            self._roster,
            self._lane,
            snapshot.Moment(self.settings, self._clock, self._at, self._window),
        )

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
        moment = saved.moment
        engine = cls(features or saved.features, saved.guests, settings or moment.settings)
        snapshot.fill(saved, engine._roster, engine._lane)
        engine._clock, engine._at, engine._window = moment.clock, moment.at, moment.window
        return engine

    def _pass(self, at: float, spent: Array, elapsed: float | None) -> float:
        """Move the engine's clock; the seconds that passed."""
        timed = spent[spent > 0]
        table = self._roster.table
        apart = elapsed
        if apart is None:
            apart = at - self._at if self._at is not None else 0.0
        passed = float(np.median(timed)) if len(timed) else min(max(apart, 0.0), LONE_GAP)
        unseen = apart - passed
        if unseen > LONE_GAP + 2.0 * passed:
            # Nobody watched. The time of day may have stepped: it takes a half-life at most.
            half_life = table["behaviour.good"]
            steady = elapsed is not None
            standing.unwatched(table, unseen if steady else np.minimum(unseen, half_life))
        self._clock += passed
        self._at = at
        return passed

    def _opinion(self) -> tuple[Array, Array, Array]:
        """Belief, disbelief and uncertainty of every guest."""
        weighed = standing.weigh(self._roster.table)
        return opinion.opinion(weighed.good, weighed.bad)

    def _scores(self, fresh: Array, passed: float, *, judged: bool) -> Scores:
        table, base_rate = self._roster.table, self.settings.base_rate
        belief, disbelief, unsure = self._opinion()
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
