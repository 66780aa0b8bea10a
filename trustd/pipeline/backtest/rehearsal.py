"""What the line would have decided: its own stages, fed with the trust that was recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf, isnan, nan

from trustd.enforce import Desired, standard_actuators
from trustd.model import (
    Action,
    Freshness,
    GuestId,
    Intent,
    Mode,
    ObjectRef,
    Orders,
    Outcome,
)
from trustd.pipeline.acting import Acting
from trustd.pipeline.backtest.cast import Told
from trustd.pipeline.backtest.moments import Moment, Row
from trustd.pipeline.backtest.orders import ended, heard
from trustd.pipeline.narrowing import Narrowing
from trustd.pipeline.registry import Registry
from trustd.pipeline.roster import GRACE
from trustd.pipeline.sightings import Sightings
from trustd.pipeline.verdict import Verdict
from trustd.policy import Policy, Saved
from trustd.repository import Entry

_TOO_MANY = "too-many"


class _OnPaper:
    """Takes what is to be done to guests, and does nothing.

    Args:
        narrowed: guests that are, and since when, in epoch seconds.
    """

    levers: Collection[str] = frozenset(each.name for each in standard_actuators())

    def __init__(self, narrowed: Mapping[GuestId, float]) -> None:
        self.narrowed = dict(narrowed)

    def reconcile(self, desired: Mapping[GuestId, Desired], *, at: float) -> object:
        for guest, wanted in desired.items():
            if wanted.mode is Mode.ENFORCE and wanted.actions:
                self.narrowed.setdefault(guest, at)
            else:
                self.narrowed.pop(guest, None)
        return None

    def outcomes(self, guest: GuestId) -> tuple[Outcome, ...]:  # noqa: ARG002 - nothing is done
        return ()

    def intents(self) -> Sequence[Intent]:
        """What a restart of the daemon finds in force."""
        found = (Intent(id_, "", "", "", {}, (), at) for id_, at in self.narrowed.items())
        return sorted(found, key=lambda each: each.at)


class _Acting(Acting):
    """The stage that plans, and holds back when too many fall."""

    def _tell(self) -> None:
        """Nobody is to be warned of what did not happen."""


class Rehearsal:
    """Goes through history by one policy.

    Args:
        policy: the first to go by.
        orders: of operators, in force at the start.
        objects: labels of objects at the start.
        narrowed: guests that are narrowed at the start, and since when, in epoch seconds.
    """

    def __init__(
        self,
        policy: Policy,
        orders: Orders,
        objects: Mapping[ObjectRef, Mapping[str, str]],
        narrowed: Mapping[GuestId, float],
    ) -> None:
        self._objects = dict(objects)
        self._relabelled = False
        self._narrowing = Narrowing(policy, self._registry(policy))
        self._narrowing.heed(orders, at=0.0)
        self._paper = _OnPaper(narrowed)
        self._acting = _Acting(self._paper, self._paper.intents())
        self._cast: dict[GuestId, Told] = {}
        self._bands: dict[GuestId, str] = {}
        self._saved: dict[GuestId, Saved] = {}
        self._kin: list[Entry] = []
        self._sightings = Sightings()
        self._last: dict[GuestId, float] = {}

    @property
    def policy(self) -> Policy:
        """The one that it goes by."""
        return self._narrowing.policy

    @property
    def held(self) -> Mapping[GuestId, str]:
        """Guests that would not be narrowed as they should be, and why."""
        return self._acting.held

    def knows(self, guest: GuestId) -> bool:
        """Whether a guest was there before."""
        return guest in self._sightings

    def adopt(self, policy: Policy, *, at: float) -> None:
        """Go by another policy from now on; the same one again is no other."""
        if policy.id != self.policy.id:
            self._narrowing.adopt(policy, self._registry(policy), at=at)

    def cast(self, told: Told) -> None:
        """Take in what is told of a guest."""
        self._cast[told.guest.id] = told

    def recall(
        self, guest: GuestId, saved: Saved | None, heard: float | None, *, measured: bool
    ) -> None:
        """Take in what is known of a guest that was there before, and comes in next.

        Args:
            saved: the state of its relays; None where nothing is known of it.
            heard: epoch seconds at which it was last measured, or known to be off.
            measured: whether it ever was.
        """
        if saved is not None:
            self._saved[guest] = saved
        # when it was measured is asked of nobody here, only whether
        self._sightings.recall(guest, heard=heard, measured=-inf if measured else None)

    def object(self, ref: ObjectRef, labels: Mapping[str, str]) -> None:
        """Take in an object's labels."""
        self._objects[ref] = labels
        self._relabelled = True

    def order(self, entry: Entry, *, at: float) -> None:
        """Take in what became of an operator's order."""
        self._narrowing.heed(heard(self._narrowing.orders, entry, self._bands), at=at)

    def kin(self, entry: Entry) -> None:
        """Take in that a guest takes over from another, once it is there."""
        self._kin.append(entry)

    def accept(self) -> None:
        """Take in that an operator lets those be narrowed that are held back."""
        self._acting.accept()

    def restart(self, *, at: float) -> None:
        """Begin another run of the daemon, which knows what was stored."""
        before = self._narrowing
        for guest in self._last:
            self._saved[guest] = before.saved(guest)
        self._narrowing = Narrowing(before.policy, before.registry)
        self._narrowing.heed(before.orders, at=at)
        self._acting = _Acting(self._paper, self._paper.intents())
        self._last.clear()

    def step(self, moment: Moment) -> Mapping[GuestId, Verdict]:
        """What the policy says of every guest at a moment, and what is held back."""
        at, narrowing = moment.at, self._narrowing
        if self._relabelled:
            self._relabelled = False
            narrowing.relabel(self._registry(self.policy), at=at)
        orders = ended(narrowing.orders, at)
        if orders is not narrowing.orders:
            narrowing.heed(orders, at=at)
        rows = [row for row in moment.rows if row.guest in self._cast]
        for row in rows:
            self._follow(row.guest, at, moment.step)
        self._take_over(at)
        verdicts = {row.guest: self._judge(row, at) for row in rows}
        self._act(moment, rows, verdicts)
        self._bands.update((guest, verdict.band) for guest, verdict in verdicts.items())
        return verdicts

    def actions(self, guest: GuestId, verdict: Verdict) -> tuple[Action, ...]:
        """What would be done to a guest's devices."""
        return self._acting.preview(self._cast[guest].guest, verdict, self.policy)[1].actions

    def _registry(self, policy: Policy) -> Registry:
        own = Registry.of(policy, None, {})
        return replace(own, objects={**self._objects, **own.objects})

    def _follow(self, guest: GuestId, at: float, step: float) -> None:
        last = self._last.get(guest)
        if last is not None and at - last > GRACE + step:
            # the line forgot it, and finds it in the store
            self._saved[guest] = self._narrowing.saved(guest)
            self._narrowing.forget(guest)
            self._acting.forget(guest)
        self._last[guest] = at
        self._sightings.begin(guest, at)
        self._narrowing.follow(self._cast[guest].guest, at=at, saved=self._saved.pop(guest, None))

    def _take_over(self, at: float) -> None:
        kin, self._kin = self._kin, []
        for entry in kin:
            forebear = GuestId(entry.document["forebear"])
            if entry.document["trust"] is None or entry.guest not in self._last:
                continue
            if forebear in self._last:
                theirs = self._narrowing.saved(forebear)
            elif forebear in self._saved:
                theirs = self._saved[forebear]
            else:
                continue
            self._narrowing.demote(entry.guest, theirs, at=at)

    def _judge(self, row: Row, at: float) -> Verdict:
        guest, how = row.guest, row.how
        self._sightings.hear(guest, how, at)
        return self._narrowing.judge(
            guest,
            nan if isnan(self._sightings.age(guest, at)) else row.trust,
            how=how,
            at=at,
            clock=at,
            stale_for=self._sightings.silent(guest, at),
        )

    def _act(
        self, moment: Moment, rows: Sequence[Row], verdicts: Mapping[GuestId, Verdict]
    ) -> None:
        guests = {row.guest: self._cast[row.guest].guest for row in rows}
        running = [row.guest for row in rows if row.how is not Freshness.IDLE]
        blind = all(row.how is Freshness.STALE for row in rows)
        policy, at = self.policy, moment.at
        self._acting.act(guests, verdicts, policy, running=running, blind=blind, at=at, clock=at)
        if moment.step > policy.limits.demotions.per and _TOO_MANY in self.held.values():
            # whether they fell at once is not known: the step is longer than the limit's time
            self._acting.accept()
            self._acting.act(
                guests, verdicts, policy, running=running, blind=blind, at=at, clock=at
            )
