"""The line: one tick, one direction, one assessment a guest at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan
from operator import is_

import numpy as np

from trustd.enforce import Enforcer
from trustd.errors import NoSuchGuest
from trustd.model import (
    Assessment,
    Fleet,
    Freshness,
    Guest,
    GuestEvent,
    GuestId,
    HostLoad,
    Intent,
    Mode,
    PolicyInfo,
    Reading,
)
from trustd.pipeline.acknowledging import Acknowledging, Heard, Word
from trustd.pipeline.acting import Acting
from trustd.pipeline.assessing import Tick, assess, freshness
from trustd.pipeline.defiance import Defiance
from trustd.pipeline.entering import Entering
from trustd.pipeline.gated import Gated
from trustd.pipeline.hearing import Hearing
from trustd.pipeline.inheriting import bequeath
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.lacking import Lacking
from trustd.pipeline.measuring import Measuring
from trustd.pipeline.narrowing import Narrowing
from trustd.pipeline.news import News
from trustd.pipeline.overriding import Overriding
from trustd.pipeline.probing import Probing
from trustd.pipeline.registry import Labelling, Registry
from trustd.pipeline.returning import Account, account
from trustd.pipeline.roster import Roster
from trustd.pipeline.verdict import Verdict
from trustd.plugins import Ward
from trustd.policy import Policy
from trustd.repository import Entry, Kin, OrderStore
from trustd.spi import Hypervisor
from trustd.trust import Engine


@dataclass(frozen=True, slots=True)
class Stages:
    """The parts of the line, in its order."""

    hypervisor: Hypervisor
    measuring: Measuring
    probing: Probing
    ward: Ward
    engine: Engine
    narrowing: Narrowing
    enforcer: Enforcer
    keeping: Keeping
    orders: OrderStore
    entering: Entering
    gated: Gated = field(default_factory=Gated)
    hearing: Hearing = field(default_factory=Hearing)


class Line:
    """Carries every guest from the hypervisor's word to an assessment, a tick at a time.

    Called from one thread only.

    Args:
        interval: seconds between two ticks.
        in_force: what an earlier run of the daemon left on guests, oldest first.
    """

    def __init__(
        self,
        stages: Stages,
        policy: PolicyInfo,
        interval: float,
        *,
        in_force: Sequence[Intent] = (),
    ) -> None:
        self._stages = stages
        self._policy = policy
        self._interval = interval
        self._acting = Acting(stages.enforcer, in_force)
        self._news = News()
        self._roster = Roster(
            stages.engine, stages.narrowing, stages.measuring, stages.keeping, self._news
        )
        self._acknowledging = Acknowledging(stages.engine, self._roster, stages.keeping)
        self._labelling = Labelling()
        self._defiance = Defiance()
        self._lacking = Lacking()
        self.overriding = Overriding(stages.orders, stages.narrowing, self._acting)
        self._last: Reading | None = None
        self._tick = 0
        self._overruns = 0

    def overrun(self) -> None:
        """Count a tick that was left out because the one before still ran."""
        self._overruns += 1

    def adopt(self, policy: Policy, registry: Registry, info: PolicyInfo) -> None:
        """Judge by another policy from the next tick on."""
        narrowing = self._stages.narrowing
        if policy.id != narrowing.policy.id:
            self._roster.adopt(policy, registry, at=info.loaded)
        elif registry != narrowing.registry:
            narrowing.relabel(registry, at=info.loaded)
        # the same policy again is no other one: a dwell under way goes on
        self._policy = info

    def relabel(self, registry: Registry, *, at: float) -> None:
        """Go by other labels from the next tick on."""
        self._stages.narrowing.relabel(registry, at=at)

    def note(self, entries: Sequence[Entry]) -> None:
        """Have entries journalled with what the ticks change."""
        if entries:
            self._stages.keeping.note(entries=entries)
            self._stages.keeping.flush()

    @property
    def kin(self) -> Sequence[Kin]:
        """Who took over from whom in the last tick."""
        return self._roster.kin

    @property
    def reading(self) -> Reading | None:
        """What the last tick was made of; None before the first."""
        return self._last

    def refuse(self, error: str) -> None:
        """Keep the policy in force, and say why a newer one was not taken."""
        self._policy = replace(self._policy, error=error)

    def explain(self, guest: GuestId) -> Account:
        """The stored terms of a guest's trust, and its way back.

        Raises:
            NoSuchGuest: it is not watched.
        """
        if self._last is None:
            raise NoSuchGuest("there was no tick yet")
        stages, last = self._stages, self._last
        return account(stages.engine, stages.narrowing, guest, at=last.at, clock=last.clock)

    def acknowledge(self, word: Word, *, dry_run: bool = False) -> Heard:
        """Take an operator's word on what a guest did, or only say what it would change.

        Raises:
            NoSuchGuest: it is not watched.
            StoreError: see :meth:`Acknowledging.hear`.
        """
        if self._last is None:
            raise NoSuchGuest("there was no tick yet")
        return self._acknowledging.hear(word, self._last, dry_run=dry_run)

    def save(self) -> None:
        """Keep what was learned of all guests."""
        if self._last is not None:
            self._roster.save(at=self._last.at, clock=self._last.clock)
            self._stages.keeping.flush()

    def close(self) -> None:
        """Save, and wait for the disk as long as that makes sense."""
        self.save()
        self._stages.keeping.close()

    def tick(self) -> Fleet:
        """Carry out one tick; the fleet as every reader sees it."""
        began = time.perf_counter()
        self._tick += 1
        stages, policy = self._stages, self._stages.narrowing.policy
        events = self._listen()
        before, reading = self._last, stages.hypervisor.sample()
        self._last = reading
        self.overriding.tick(at=reading.at, clock=reading.clock)
        guests = self._follow(reading)
        fresh = {id_: freshness(reading, guest) for id_, guest in guests.items()}
        running = [id_ for id_, how in fresh.items() if how is not Freshness.IDLE]
        stages.probing.watch([guests[id_] for id_ in running])
        load = stages.measuring.load()
        elapsed = reading.clock - before.clock if before is not None else None
        tick = self._score(reading, events, guests, load, elapsed)
        rows = {guest: row for row, guest in enumerate(stages.engine.guests)}
        verdicts = self._judge(tick, rows, fresh)
        stages.enforcer.examine(
            id_
            for id_ in running
            if fresh[id_] is Freshness.FRESH and verdicts[id_].mode is Mode.ENFORCE
        )
        self._acting.act(
            guests,
            verdicts,
            policy,
            running=running,
            blind=bool(reading.error),
            at=reading.at,
            clock=reading.clock,
        )
        stages.entering.step(
            verdicts, policy, self._acting, running=running, at=reading.at, clock=reading.clock
        )
        assessments = {
            id_: assess(
                tick,
                guests[id_],
                row=rows[id_],
                engine=stages.engine,
                verdict=verdict,
                freshness=fresh[id_],
                outcomes=(*self._acting.outcomes(id_), *stages.entering.outcomes(id_)),
                age=self._roster.sightings.age(id_, reading.clock),
            )
            for id_, verdict in verdicts.items()
        }
        stages.entering.begin(assessments)
        self._defiance.heed(assessments.values())
        self._keep(assessments, verdicts, reading)
        return Fleet(
            tick=self._tick,
            at=reading.at,
            seconds=time.perf_counter() - began,
            interval=self._interval,
            overruns=self._overruns,
            guests=assessments,
            bands=policy.bands,
            mode=policy.mode,
            policy=self._policy,
            hypervisor=stages.hypervisor.condition(),
            host=load,
            plugins=stages.ward.health,
            store_error=stages.keeping.error,
            levers=stages.enforcer.health,
            lacking=self._lacking.of(
                policy, stages.narrowing.world, assessments.values(), stages.enforcer.health
            ),
            orders=self.overriding.orders,
            held=self._acting.held,
            breaches=stages.narrowing.breaches(guests),
        )

    def _listen(self) -> Sequence[GuestEvent]:
        """What happened since the last tick; the enforcer looks again at whom it concerns."""
        hypervisor, enforcer = self._stages.hypervisor, self._stages.enforcer
        events = hypervisor.events()
        if hypervisor.resynced():
            enforcer.resync()
        enforcer.mark(events)
        return events

    def _follow(self, reading: Reading) -> Mapping[GuestId, Guest]:
        """The inventory of this tick, with every guest in its place."""
        stages = self._stages
        labelled = self._labelling.apply(
            stages.gated.apply(stages.entering.undiverted(stages.hypervisor.inventory())),
            stages.narrowing.registry,
        )
        guests: Mapping[GuestId, Guest] = {
            id_: stages.enforcer.undisturbed(guest) for id_, guest in labelled.items()
        }
        before = self._roster.guests
        if len(guests) == len(before) and all(map(is_, guests.values(), before.values())):
            guests = before  # by that the roster sees that nobody came, changed or left
        for gone in self._roster.follow(
            guests, reached=not reading.error, at=reading.at, clock=reading.clock
        ):
            self._acting.forget(gone)
            stages.entering.forget(gone)
            stages.enforcer.forget(gone)
        for kin in self._roster.kin:
            bequeath(self.overriding, kin, at=reading.at)
        return guests

    def _score(
        self,
        reading: Reading,
        events: Sequence[GuestEvent],
        guests: Mapping[GuestId, Guest],
        load: HostLoad | None,
        elapsed: float | None,
    ) -> Tick:
        """Everything that was measured and found, and what the engine makes of it."""
        engine, measuring = self._stages.engine, self._stages.measuring
        frame, pair = measuring.frame(engine.guests, reading)
        scores = engine.step(
            # what a silent emulator still shows is shown, and says nothing of the guest
            np.where(pair.partial[:, None], np.nan, frame.values),
            at=reading.at,
            seconds=pair.seconds,
            findings=[
                *measuring.findings(events, guests),
                *self._roster.findings(),
                *self._defiance.findings(),
                *self._stages.hearing.take(
                    engine, guests, at=reading.at, unread=self._roster.unread
                ),
            ],
            contention=load.contention if load else 0.0,
            elapsed=elapsed,
        )
        return Tick.of(self._tick, reading, frame, scores, self._stages.narrowing.policy.id)

    def _judge(
        self, tick: Tick, rows: Mapping[GuestId, int], fresh: Mapping[GuestId, Freshness]
    ) -> Mapping[GuestId, Verdict]:
        """What the policy makes of every guest's trust."""
        at, clock, seen = tick.reading.at, tick.reading.clock, self._roster.sightings
        verdicts: dict[GuestId, Verdict] = {}
        for id_, how in fresh.items():
            seen.hear(id_, how, clock)
            never = isnan(seen.age(id_, clock))
            verdicts[id_] = self._stages.narrowing.judge(
                id_,
                nan if never else tick.trust[rows[id_]],
                how=how,
                at=at,
                clock=clock,
                stale_for=seen.silent(id_, clock),
            )
        return verdicts

    def _keep(
        self,
        assessments: Mapping[GuestId, Assessment],
        verdicts: Mapping[GuestId, Verdict],
        reading: Reading,
    ) -> None:
        """Store what is new, at once: a restart must not forget it."""
        changes = {
            id_: change
            for id_, now in assessments.items()
            if (change := self._news.of(now, verdicts[id_].before)).changed
        }
        taken, keeping = self._stages.hearing.taken, self._stages.keeping
        behaved = {id_ for id_, change in changes.items() if change.behaved} | taken.guests
        keeping.note(
            self._roster.memories(
                changes.keys() | taken.guests, behaved=behaved, at=reading.at, clock=reading.clock
            ),
            (entry for change in changes.values() for entry in change.entries),
            heard=taken.places,
        )
        keeping.flush()
