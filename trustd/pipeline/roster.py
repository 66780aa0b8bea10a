"""Which guests are watched: they come, change, vanish, and are remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from math import isnan

import structlog

from trustd.errors import NoSuchGuest, StoreError
from trustd.model import Behaviour, Finding, Guest, GuestId
from trustd.pipeline.inheriting import Inheriting
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.kinship import Kinship
from trustd.pipeline.measuring import Measuring
from trustd.pipeline.narrowing import Narrowing
from trustd.pipeline.news import News
from trustd.pipeline.registry import Registry
from trustd.pipeline.sightings import Sightings
from trustd.policy import Policy
from trustd.repository import GuestMemory, Kin
from trustd.trust import Engine

log = structlog.get_logger()

GRACE = 600.0
"""Seconds for which a guest that vanished keeps its place: a rename takes two events,
and a guest that is defined anew is the same guest."""


class Roster:
    """Admits guests to the engine and the bands, and retires them from both."""

    def __init__(
        self,
        engine: Engine,
        narrowing: Narrowing,
        measuring: Measuring,
        keeping: Keeping,
        news: News,
    ) -> None:
        self.guests: Mapping[GuestId, Guest] = {}
        self.kin: Sequence[Kin] = ()
        self.sightings = Sightings()
        self._kinship = Kinship(keeping)
        self._inheriting = Inheriting(engine, narrowing, keeping)
        self._engine = engine
        self._narrowing = narrowing
        self._measuring = measuring
        self._keeping = keeping
        self._news = news
        self._behaviours: dict[GuestId, Behaviour] = {}
        self._gone: dict[GuestId, float] = {}
        self._unread: set[GuestId] = set()
        self._swept = False

    def follow(
        self, guests: Mapping[GuestId, Guest], *, reached: bool, at: float, clock: float
    ) -> Sequence[GuestId]:
        """Take in the inventory of this tick.

        Args:
            reached: whether the hypervisor answers.
            at: epoch seconds.
            clock: seconds on the boot clock.

        Returns:
            Guests that were retired.
        """
        if self._unread:
            self._read_again()
        if guests is not self.guests:
            changed = [each for each in guests.values() if each is not self.guests.get(each.id)]
            kept = self._recall([each.id for each in changed if each.id not in self.sightings])
            for guest in changed:
                self._admit(guest, kept.get(guest.id), at, clock)
            for missing in self.guests.keys() - guests.keys():
                self._gone.setdefault(missing, clock)
            self.guests = guests
        self.kin = self._kinship.follow(guests, at=at)
        for kin in self.kin:
            if self._inheriting.take_over(kin, guests[kin.heir]):
                self._behave(guests[kin.heir], anew=True)
                heir = (kin.heir,)
                self._keeping.note(self.memories(heir, behaved=heir, at=at, clock=clock))
        if reached and not self._swept:
            # whoever was undefined while nobody watched
            self._swept = True
            for missing in set(self._engine.guests) - guests.keys():
                self._gone.setdefault(missing, clock)
        retired = [guest for guest, since in self._gone.items() if clock - since > GRACE]
        for id_ in retired:
            self._retire(id_, at, clock)
        return retired

    @property
    def unread(self) -> AbstractSet[GuestId]:
        """Guests of which the disk says more than is known: nothing of them is stored."""
        return self._unread

    def adopt(self, policy: Policy, registry: Registry, *, at: float) -> None:
        """Judge by another policy from now on."""
        self._narrowing.adopt(policy, registry, at=at)
        for guest in self.guests.values():
            self._behave(guest)

    def findings(self) -> Sequence[Finding]:
        """What taking over says of guests, since the last call."""
        return self._inheriting.findings()

    def memories(
        self, guests: Iterable[GuestId], *, behaved: Iterable[GuestId] = (), at: float, clock: float
    ) -> Iterator[GuestMemory]:
        """What is to be kept of some guests.

        Args:
            behaved: those whose history is another one than at the last save.
        """
        anew = frozenset(behaved)
        for id_ in guests:
            if id_ in self._unread or id_ not in self.sightings:
                continue  # what is on the disk says more
            heard = self.sightings.heard(id_)
            yield GuestMemory(
                guest=id_,
                name=self._narrowing.name(id_),
                heard=at - (clock - heard),
                clock=heard,
                age=self.sightings.age(id_, heard),
                relays=self._narrowing.saved(id_),
                told=self._news.told(id_),
                history=self._engine.export(id_) if id_ in anew else None,
            )

    def save(self, *, at: float, clock: float) -> None:
        """Keep everything that is known of all guests."""
        self._kinship.save(at=at)
        known = [each for each in self._engine.guests if each not in self._unread]
        self._keeping.save_engine(self._engine, known, at)
        self._keeping.note(self.memories(known, at=at, clock=clock))

    def _recall(self, guests: Sequence[GuestId]) -> Mapping[GuestId, GuestMemory]:
        if not guests:
            return {}
        try:
            return self._keeping.recall(guests)
        except StoreError as error:
            log.error("guests come in without their history", error=str(error))  # noqa: TRY400 - the disk's mistake
            self._unread.update(guests)
            return {}

    def _read_again(self) -> None:
        """Guests whose history could not be read: what it says against them counts now."""
        try:
            kept = self._keeping.recall(tuple(self._unread))
        except StoreError:
            return
        self._unread.clear()
        for memory in kept.values():
            if memory.guest in self.sightings:
                self._remember(memory)

    def _admit(self, guest: Guest, kept: GuestMemory | None, at: float, clock: float) -> None:
        self._gone.pop(guest.id, None)
        if guest.id not in self.sightings:
            self.sightings.begin(guest.id, clock)
            if not self._watched(guest.id):
                if kept is not None:
                    self._remember(kept)
                if not self._watched(guest.id):
                    self._engine.admit(guest.id)
        if kept is not None:
            # as old as the larger of the two clocks says: setting one back makes nobody young
            heard = clock - max(at - kept.heard, clock - kept.clock, 0.0)
            measured = None if isnan(kept.age) else heard - kept.age
            self.sightings.recall(guest.id, heard=heard, measured=measured)
            self._news.recall(guest.id, kept.told)
        self._narrowing.follow(guest, at=at, saved=kept.relays if kept else None)
        self._behave(guest)

    def _remember(self, kept: GuestMemory) -> None:
        """Take over a guest's history; a damaged one costs no other guest anything."""
        if kept.history is None:
            return
        try:
            self._engine.restore(kept.history)
        except StoreError as error:
            log.error("a guest's history is lost", guest=kept.guest, error=str(error))  # noqa: TRY400 - the disk's mistake

    def _watched(self, guest: GuestId) -> bool:
        try:
            self._engine.row(guest)
        except NoSuchGuest:
            return False
        return True

    def _behave(self, guest: Guest, *, anew: bool = False) -> None:
        behaviour = self._narrowing.behaviour(guest.id)
        if anew or self._behaviours.get(guest.id) != behaviour:
            self._engine.behave(guest.id, behaviour)
            self._behaviours[guest.id] = behaviour

    def _retire(self, guest: GuestId, at: float, clock: float) -> None:
        if guest in self.sightings:
            kept = self.memories((guest,), behaved=(guest,), at=at, clock=clock)
        else:
            # it was undefined before this run began
            history = self._engine.export(guest)
            known = self._recall((guest,))
            kept = (replace(each, history=history) for each in known.values())
        self._keeping.note(kept)
        self._engine.retire(guest)
        self._narrowing.forget(guest)
        self._measuring.forget(guest)
        self._news.forget(guest)
        self._kinship.forget(guest)
        self._unread.discard(guest)
        self.sightings.forget(guest)
        for each in (self._gone, self._behaviours):
            each.pop(guest, None)
