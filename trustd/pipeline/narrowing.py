"""From trust to a band, and from the band to what a guest may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan

from trustd.model import (
    UNORDERED,
    Behaviour,
    EffectivePermissions,
    Freshness,
    Guest,
    GuestId,
    GuestState,
    Mode,
    ObjectRef,
    Ordered,
    Orders,
    WallBreach,
)
from trustd.pipeline.heeding import band_under, subject_under
from trustd.pipeline.registry import Registry
from trustd.pipeline.verdict import Seen, Verdict
from trustd.policy import Policy, Saved, Standing, Subject, Target, effective
from trustd.policy.selectors import Values
from trustd.policy.walls import NOBODY, NOTHING, History, Occupied, violations


@dataclass(slots=True)
class _Seat:
    """What is kept of one guest between two ticks."""

    guest: Guest
    subject: Subject
    targets: tuple[Target, ...]
    standing: Standing
    permissions: EffectivePermissions
    history: History = field(default_factory=lambda: NOTHING)
    outdated: bool = False
    silent: float = 0.0
    own: Subject | None = None
    ordered: Ordered = UNORDERED
    band: str = ""
    since: float = 0.0
    verdict: Verdict | None = None
    seen: Seen | None = None

    def judged(self) -> Verdict | None:
        """The last verdict where it would be the same again: to make one anew is dear."""
        last = self.verdict
        stands = (
            last is not None
            and not last.before
            and last.standing is self.standing
            and last.permissions is self.permissions
        )
        return last if stands else None

    def shown(self) -> Seen:
        """The guest as the policy sees it; the same value while it is."""
        last = self.seen
        if (
            last is None
            or last.standing is not self.standing
            or last.silent != self.silent
            or last.in_force != self.band
            or last.guest is not self.guest
            or last.subject is not self.subject
            or last.own is not self.own
            or last.ordered is not self.ordered
        ):
            last = self.seen = Seen(
                self.guest,
                self.subject,
                self.standing,
                self.silent,
                self.ordered,
                self.own,
                self.band,
            )
        return last


class Narrowing:
    """Every guest's band and effective permissions under one policy.

    What does not change from tick to tick (who the guest is to the policy, what
    its devices are, what it may do in its band) is worked out once.

    Args:
        registry: labels beside those that the guests' definitions carry; None for
            the policy's own.
        observe_only: whether every guest is only observed, whatever the policy says.
    """

    def __init__(
        self, policy: Policy, registry: Registry | None = None, *, observe_only: bool = False
    ) -> None:
        self.policy = policy
        self.registry = registry or Registry.of(policy, None, {})
        self._observe_only = observe_only
        self._seats: dict[GuestId, _Seat] = {}
        self._occupied: Occupied = NOBODY
        self.orders = Orders()

    def heed(self, orders: Orders, *, at: float) -> None:
        """Go by these orders from now on."""
        self.orders = orders
        for id_, seat in self._seats.items():
            if orders.of(id_) != seat.ordered:
                self._settle(seat, seat.guest, at)

    def wall(self, occupied: Occupied, history: Callable[[GuestId], History]) -> None:
        """Go by these walls from the next tick on.

        Args:
            occupied: who runs on the host.
            history: what a guest is bound to.
        """
        moved = occupied != self._occupied
        self._occupied = occupied
        for id_, seat in self._seats.items():
            bound = history(id_)
            if moved or bound is not seat.history:
                seat.history, seat.outdated = bound, True

    def world(self) -> Mapping[GuestId, Seen]:
        """Every guest as the policy sees it now; a value of its own."""
        return {id_: seat.shown() for id_, seat in self._seats.items()}

    def breaches(self, guests: Mapping[GuestId, Guest]) -> tuple[WallBreach, ...]:
        """Which of these guests run against a running wall; in order.

        They were there before the wall, or came past it.
        """
        if not self.policy.running_walls:
            return ()
        running: dict[str, Values] = {
            id_: self._seats[id_].subject.values
            for id_, guest in guests.items()
            if guest.state is not GuestState.SHUTOFF
        }
        return tuple(
            WallBreach(GuestId(id_), guests[GuestId(id_)].name, each.wall, each.value, each.held)
            for id_, each in violations(self.policy.running_walls, running)
        )

    def relabel(self, registry: Registry, *, at: float) -> None:
        """Go by other labels from now on."""
        self.registry = registry
        for seat in self._seats.values():
            self._settle(seat, seat.guest, at)

    def adopt(self, policy: Policy, registry: Registry, *, at: float) -> None:
        """Judge by another policy from now on; bands are carried over by name."""
        before, self.policy = self.policy, policy
        self.registry = registry
        for seat in self._seats.values():
            seat.standing = policy.relays.restore(before.relays.save(seat.standing), at=at)
            self._settle(seat, seat.guest, at)
            seat.band = seat.permissions.band

    def follow(self, guest: Guest, *, at: float, saved: Saved | None = None) -> None:
        """Take in a guest that is new, or whose definition changed.

        Args:
            saved: the state of its relays from an earlier run.
        """
        seat = self._seats.get(guest.id)
        if seat is not None:
            if seat.guest is not guest:
                self._settle(seat, guest, at)
            return
        newcomer = self.policy.newcomer_of(self.policy.roles_of(guest.labels, identity=guest.id))
        if saved is None:
            standing = self.policy.relays.start(newcomer.probation, at=at)
        else:
            standing = self.policy.relays.restore(saved, at=at)
        ordered = self.orders.of(guest.id)
        seat = self._seats[guest.id] = self._seated(guest, standing, ordered, at)
        override = seat.ordered.override
        seat.band = seat.permissions.band
        seat.since = standing.since if override is None else override.term.at

    def forget(self, guest: GuestId) -> None:
        """Drop a guest that is gone."""
        self._seats.pop(guest, None)

    def behaviour(self, guest: GuestId) -> Behaviour:
        """What behaviour is worth to a guest with these roles."""
        return self.policy.newcomer_of(self._seats[guest].subject.roles).behaviour

    def name(self, guest: GuestId) -> str:
        """A guest's present name, also when it is gone from the inventory."""
        return self._seats[guest].guest.name

    def saved(self, guest: GuestId) -> Saved:
        """The state of a guest's relays, for the store."""
        return self.policy.relays.save(self._seats[guest].standing)

    def standing(self, guest: GuestId) -> tuple[Standing, bool]:
        """What trust makes of a guest, and whether an order says otherwise."""
        seat = self._seats[guest]
        return seat.standing, seat.ordered.override is not None

    def permitted(
        self, guest: GuestId, band: str, *, at: float
    ) -> Sequence[tuple[ObjectRef, frozenset[str]]]:
        """What a guest might do to its devices in a band."""
        seat = self._seats[guest]
        found = self._permissions(seat.subject, band, seat.targets, seat.history, at)
        return [(each.object, each.held) for each in found.access]

    def demote(self, guest: GuestId, saved: Saved, *, at: float) -> None:
        """Have a guest stand no better than another one's relays do; silence aside.

        Args:
            saved: the state of the other's relays.
        """
        seat = self._seats[guest]
        theirs = self.policy.relays.restore(
            {**saved, "band": saved["relay"], "stale": False}, at=at
        )
        if self.policy.rank(theirs.relay) > self.policy.rank(seat.standing.relay):
            band = max(theirs.band, seat.standing.band, key=self.policy.rank)
            seat.standing = Standing(band, at, theirs.relay, seat.standing.stale)

    def judge(
        self,
        guest: GuestId,
        trust: float,
        *,
        how: Freshness,
        at: float,
        clock: float,
        stale_for: float,
    ) -> Verdict:
        """One guest at one tick. It enters a better band only when it is measured.

        Args:
            trust: NaN where the guest was never measured.
            how: how much is known of it in this tick.
            at: epoch seconds.
            clock: seconds on a clock that never steps.
            stale_for: seconds since it was last measured whole.
        """
        seat, policy = self._seats[guest], self.policy
        standing = seat.standing
        own = standing.band
        seat.silent = stale_for
        if how is Freshness.IDLE and standing.rising:
            # whoever does not run does not behave well meanwhile
            standing = replace(standing, rising=())
        seat.standing = policy.relays.step(
            standing,
            None if isnan(trust) else trust,
            at=at,
            clock=clock,
            stale_for=stale_for,
        )
        if how is not Freshness.FRESH and policy.rank(seat.standing.band) < policy.rank(own):
            seat.standing = standing
        band, before = band_under(policy, seat.ordered, guest, seat.standing.band), seat.band
        if band != before:
            seat.band, seat.since, seat.verdict = band, at, None
        # exceptions end by the clock, so what they lift is asked anew
        if band != seat.permissions.band or seat.subject.lifts or seat.outdated:
            seat.permissions = self._permissions(seat.subject, band, seat.targets, seat.history, at)
            seat.outdated = False
        verdict = seat.judged()
        if verdict is None:
            verdict = seat.verdict = self._verdict(seat, before if band != before else "")
        return verdict

    def preview(self, guest: GuestId, orders: Orders, *, at: float) -> tuple[Verdict, Verdict]:
        """A guest's verdict as it is, and as it would be under other orders."""
        seat = self._seats[guest]
        then = self._resettled(seat, seat.guest, orders.of(guest), at)
        return self._verdict(seat), self._verdict(then)

    def _verdict(self, seat: _Seat, before: str = "") -> Verdict:
        band = seat.permissions.band
        return Verdict(
            seat.standing,
            seat.permissions,
            Mode.OBSERVE if self._observe_only else seat.subject.modes[self.policy.rank(band)],
            before,
            seat.subject.protected,
            seat.standing.since if band == seat.standing.band else seat.since,
            seat.ordered,
        )

    def _settle(self, seat: _Seat, guest: Guest, at: float) -> None:
        new = self._resettled(seat, guest, self.orders.of(guest.id), at)
        seat.guest, seat.subject, seat.targets = new.guest, new.subject, new.targets
        seat.own, seat.ordered = new.own, new.ordered
        seat.permissions, seat.verdict = new.permissions, None

    def _resettled(self, seat: _Seat, guest: Guest, ordered: Ordered, at: float) -> _Seat:
        # roles that exclude each other stay as they were taken, for as long as the guest runs
        held = () if guest.state is GuestState.SHUTOFF else seat.subject.roles
        return self._seated(guest, seat.standing, ordered, at, held=held, history=seat.history)

    def _permissions(
        self,
        subject: Subject,
        band: str,
        targets: tuple[Target, ...],
        history: History,
        at: float,
    ) -> EffectivePermissions:
        return effective(
            self.policy, subject, band, targets, at=at, history=history, occupied=self._occupied
        )

    def _seated(
        self,
        guest: Guest,
        standing: Standing,
        ordered: Ordered,
        at: float,
        *,
        held: tuple[str, ...] = (),
        history: History = NOTHING,
    ) -> _Seat:
        own = self.policy.subject("guest", guest.id, guest.labels, held)
        assert own is not None  # noqa: S101 - every policy knows guests
        subject = subject_under(own, ordered, guest.id)
        band = band_under(self.policy, ordered, guest.id, standing.band)
        targets = tuple(
            target
            for ref in objects_of(guest)
            if (target := self.registry.target(self.policy, ref)) is not None
        )
        permissions = self._permissions(subject, band, targets, history, at)
        return _Seat(
            guest, subject, targets, standing, permissions, history, own=own, ordered=ordered
        )


def objects_of(guest: Guest) -> tuple[ObjectRef, ...]:
    """The objects that a guest has as devices, each once."""
    found = [ObjectRef("volume", disk.identity) for disk in guest.disks if disk.identity]
    found += [ObjectRef("network", nic.network) for nic in guest.nics if nic.network]
    found += [ObjectRef("device", device.identity) for device in guest.host_devices]
    return tuple(dict.fromkeys(found))
