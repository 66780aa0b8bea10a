"""A policy through recorded history: what would have been, beside what was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from trustd.errors import StoreError
from trustd.model import Freshness, GuestId, Mode, ObjectRef
from trustd.pipeline.backtest.before import lead, narrowed_before, orders_before, relay_before
from trustd.pipeline.backtest.cast import Told, told
from trustd.pipeline.backtest.happened import Happened, Policies
from trustd.pipeline.backtest.loss import NONE, Loss, loss_of
from trustd.pipeline.backtest.moments import Moment, Row, moments, stamp
from trustd.pipeline.backtest.orders import KINDS as ORDERS
from trustd.pipeline.backtest.rehearsal import Rehearsal
from trustd.pipeline.backtest.report import Report, Resolution
from trustd.pipeline.backtest.stretches import Book, Condition, State
from trustd.pipeline.heeding import narrows
from trustd.pipeline.verdict import Verdict
from trustd.policy import Policy, Saved, Standing
from trustd.repository import OBJECT, RUN, SEEN, Entry, Past
from trustd.repository.past import BAND
from trustd.repository.recorded import Recorded

_ACTION, _KIN, _HOLD = "action", "kin", "hold"
_KINDS = (RUN, SEEN, OBJECT, BAND, _ACTION, _KIN, _HOLD, *ORDERS)
_WAITING = frozenset(("taken back", "ended"))
"""What becomes of an order that counts only after a step in which it was in force."""


@dataclass(slots=True)
class _Known:
    """What bands take from a guest by the policy that is tried, as long as it is the same."""

    told: Told
    policy: Policy
    roles: tuple[str, ...]
    losses: dict[str, Loss]


class Backtest:
    """Goes through history once.

    It begins a little before the time that is asked for, with the policy that was in
    force, so that what was under way then goes on; the policy that is tried takes over
    as it would at a reload.

    Args:
        since, until: epoch seconds.

    Raises:
        StoreError: nothing is recorded of that time, or it cannot be read.
    """

    def __init__(self, recorded: Recorded, policy: Policy, since: float, until: float) -> None:
        span = recorded.span()
        if span is None:
            raise StoreError(f"{recorded.path}: no history is in it yet")
        # the last point begins then, and counts
        self.since, self.until = max(since, span[0]), min(until, span[1] + 0.001)
        if self.since >= self.until:
            raise StoreError(
                f"{recorded.path}: nothing is recorded of that time; give another by --since and"
                " --until",
            )
        self._recorded, self._policy = recorded, policy
        past = Past(recorded)
        first = past.everybody(self.since)
        before = max(first.values(), key=lambda each: each.at, default=None)
        self._policies = Policies(recorded.version, {policy.id: policy})
        then = None if before is None else self._policies.get(before.document.get("policy", ""))
        self._begin = max(span[0], self.since - lead(policy, then or policy))
        self._then = policy if self._begin >= self.since else then or policy
        self._past = past
        self._happened = Happened(self._policies, policy)
        self._rehearsal = Rehearsal(
            self._then,
            orders_before(recorded, self._begin),
            past.objects(self._begin),
            narrowed_before(past, self._happened, self._begin),
        )
        self._books: dict[GuestId, Book] = {}
        self._names: dict[GuestId, str] = {}
        self._cast: dict[GuestId, Told] = {}
        self._first: dict[GuestId, float] = {}
        self._known: dict[GuestId, _Known] = {}
        self._drivers: dict[GuestId, tuple[float, Sequence[str]]] = {}
        self._widths: dict[float, list[float]] = {}
        self._otherwise: set[GuestId] = set()
        self._calm: dict[GuestId, tuple[object, ...]] = {}
        self._untold: set[GuestId] = set()
        self._damaged: set[GuestId] = set()
        for entry in past.everybody(self._begin).values():
            self._see(entry)

    def run(self) -> Iterator[float]:
        """Go through it; the time that was reached, in epoch seconds, now and then."""
        for part in self._recorded.slices(self._begin, self.until):
            self._damaged |= part.damaged
            entries = self._recorded.entries(_KINDS, part.since, part.until)
            due, waiting = list(map(_timed, entries)), 0
            late: list[tuple[float, Entry]] = []
            for moment in moments(part.stretches):
                # within a step it is not known when a thing was: what narrows counts for all of it
                ahead = moment.at + moment.width if moment.width else moment.at
                for item in late:
                    self._take(*item, now=moment.at)
                late.clear()
                while waiting < len(due) and (
                    due[waiting][0] < ahead or due[waiting][0] <= moment.at
                ):
                    item = due[waiting]
                    waiting += 1
                    if item[0] > moment.at and item[1].document.get("act") in _WAITING:
                        late.append(item)
                    else:
                        self._take(*item, now=moment.at)
                for piece in moment.parts(self._rehearsal.policy.document.trust.dwell.up):
                    self._step(piece)
            for at, entry in chain(late, due[waiting:]):
                self._take(at, entry, now=at)
            yield part.until
        for book in self._books.values():
            book.close()

    def report(self) -> Report:
        """What was found, as far as it was gone through."""
        ends = [end for _, end in self._widths.values()]
        return Report(
            self.since,
            max(ends, default=self.until),
            self._books,
            self._names,
            [
                Resolution(width, begin, end)
                for width, (begin, end) in sorted(self._widths.items(), reverse=True)
            ],
            frozenset(self._otherwise),
            frozenset(id_ for id_, each in self._cast.items() if not each.whole)
            & self._books.keys(),
            frozenset(self._untold),
            frozenset(self._damaged),
            self._policies.lost,
        )

    def _take(self, at: float, entry: Entry, *, now: float) -> None:
        """Take in one entry of the journal, as far as it can be read."""
        try:
            self._tell(at, entry, now=now)
        except (KeyError, ValueError, TypeError) as error:
            raise StoreError(
                f"{self._recorded.path}: a record of the kind {entry.kind} is not what trustd"
                f" wrote: {error!r}; `trustctl audit verify` finds its place"
            ) from error

    def _tell(self, at: float, entry: Entry, *, now: float) -> None:
        """Take in one entry of the journal.

        Args:
            at: when it was, to the millisecond.
            now: the moment that comes next.
        """
        rehearsal = self._rehearsal
        match entry.kind:
            case "run":
                rehearsal.restart(at=now)
            case "seen":
                self._see(entry)
                if at < self.since and (
                    then := self._policies.get(entry.document.get("policy", ""))
                ):
                    rehearsal.adopt(then, at=now)
            case "object":
                ref = ObjectRef(entry.document["type"], entry.document["id"])
                rehearsal.object(ref, entry.document["labels"])
            case "band":
                self._happened.tell(entry)
                self._drivers[entry.guest] = at, entry.document["drivers"]
            case "action":
                self._happened.tell(entry)
            case "kin":
                rehearsal.kin(entry)
            case "hold":
                rehearsal.accept()
            case _:
                rehearsal.order(entry, at=now)

    def _see(self, entry: Entry) -> None:
        guest, found = entry.guest, told(entry)
        self._first.setdefault(guest, stamp(entry.at))
        self._names[guest] = entry.name
        if found is None:
            return
        self._cast[guest] = found
        self._calm.pop(guest, None)
        self._happened.cast(found)
        self._rehearsal.cast(found)
        scored = self._policies.get(found.policy)
        if scored is not None and scored.id != self._policy.id:
            roles = self._policy.roles_of(found.guest.labels, identity=guest)
            mine, theirs = self._policy.newcomer_of(roles), scored.newcomer_of(found.roles)
            if mine.behaviour != theirs.behaviour:
                self._otherwise.add(guest)

    def _step(self, moment: Moment) -> None:
        rehearsal, at = self._rehearsal, moment.at
        counts = at >= self.since or at + moment.width > self.since
        if counts:
            rehearsal.adopt(self._policy, at=at)
        for row in moment.rows:
            if row.guest not in self._cast:
                self._untold.add(row.guest)
            elif not rehearsal.knows(row.guest):
                self._introduce(row, at)
        verdicts = rehearsal.step(moment)
        if not counts:
            return
        span = self._widths.setdefault(moment.step, [at, at])
        span[1] = at + moment.width
        held = rehearsal.held
        for row in moment.rows:
            verdict = verdicts.get(row.guest)
            if verdict is not None:
                self._note(moment, row, verdict, held)

    def _introduce(self, row: Row, at: float) -> None:
        """A guest of whom nothing was played yet: where it stands is what was recorded."""
        if self._first[row.guest] >= at:
            return  # it is new
        saved: Saved | None = None
        then = self._policies.get(self._cast[row.guest].policy) or self._rehearsal.policy
        heard, measured = None, True
        relay = row.band
        if row.how is not Freshness.FRESH:
            heard, measured = self._recorded.heard(row.guest, at)
            relay = relay_before(self._past, row, at, then)
        if row.band in then.ranks:
            stale = relay != row.band
            saved = then.relays.save(Standing(row.band, at, relay, stale))
        self._rehearsal.recall(row.guest, saved, heard, measured=measured)

    def _note(
        self, moment: Moment, row: Row, verdict: Verdict, held: Mapping[GuestId, str]
    ) -> None:
        guest, at = row.guest, moment.at
        book = self._books.get(guest)
        if book is None:
            book = self._books[guest] = Book()
        calm = (verdict.permissions, verdict.mode, verdict.protected, row.band, row.how)
        if self._calm.get(guest) == calm:
            book.pass_by(at, moment.width)  # so it is with most, at most moments
            return
        loss = NONE if verdict.protected else self._loss(guest, verdict)
        state = State.FREE
        if loss.narrows and row.how is not Freshness.IDLE:
            state = State.HELD if guest in held else State.NARROWED
            if verdict.mode is Mode.OBSERVE:
                state = State.OBSERVED
        now = Condition(state, verdict.band, self._policy.rank(verdict.band))
        was = self._happened.condition(row)
        worse = book.take(moment, was, now, row.trust)
        if was.state is State.FREE and state is State.FREE:
            self._calm[guest] = calm
        else:
            self._calm.pop(guest, None)
        stretch = book.now.open
        if stretch is None:
            return
        if worse:
            actions = self._rehearsal.actions(guest, verdict)
            stretch.levers = tuple(sorted({each.lever for each in actions}))
            stretch.lost, stretch.once = loss.actions, loss.once
            stretch.why = stretch.why or _why(self._policy, verdict, row.trust)
        if not stretch.drivers and guest in self._drivers:
            when, drivers = self._drivers[guest]
            if when >= stretch.begin:
                stretch.drivers = drivers

    def _loss(self, guest: GuestId, verdict: Verdict) -> Loss:
        """What its band takes from a guest."""
        cast, policy, roles = self._cast[guest], self._policy, verdict.permissions.roles
        known = self._known.get(guest)
        if known is None or known.told is not cast or known.roles != roles:
            known = self._known[guest] = _Known(cast, policy, roles, {})
        found = known.losses.get(verdict.band)
        if found is None:
            subject = policy.subject("guest", guest, cast.guest.labels, roles)
            found = NONE if subject is None else loss_of(policy, subject, verdict.band)
            known.losses[verdict.band] = found
        return found


def _timed(entry: Entry) -> tuple[float, Entry]:
    return stamp(entry.at), entry


def _why(policy: Policy, verdict: Verdict, trust: float) -> str:
    """What brought a guest into its band."""
    order = verdict.ordered.override
    if order is not None and narrows(policy, verdict.ordered, verdict.standing.band):
        return f"{order.author.name} ordered {order.bound} {order.band}: {order.reason}"
    rank = policy.rank(verdict.band)
    better = policy.document.trust.bands[rank - 1]
    if verdict.standing.stale:
        return "it was not measured for too long"
    if better.leave is not None and trust < better.leave:
        return f"trust {trust:.2f}, below {better.leave:.2f} where {better.name} ends"
    return f"trust {trust:.2f}, and {better.name} begins at {better.enter or 0.0:.2f}"
