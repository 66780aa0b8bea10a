"""The line: one tick, one direction, one assessment a guest at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan, nan

import numpy as np

from trustd.enforce import Enforcer
from trustd.model import (
    Assessment,
    Finding,
    Fleet,
    Freshness,
    Guest,
    GuestId,
    Outcome,
    OutcomeStatus,
    PolicyInfo,
    Reading,
)
from trustd.pipeline.acting import Acting
from trustd.pipeline.assessing import Tick, assess, freshness
from trustd.pipeline.keeping import Keeping, action_entry, band_entry
from trustd.pipeline.measuring import Measuring
from trustd.pipeline.narrowing import Narrowing, Verdict
from trustd.pipeline.probing import Probing
from trustd.pipeline.roster import Roster
from trustd.plugins import Ward
from trustd.policy import Policy, Saved
from trustd.repository import Entry
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


class Line:
    """Carries every guest from the hypervisor's word to an assessment, a tick at a time.

    Called from one thread only.

    Args:
        interval: seconds between two ticks.
    """

    def __init__(self, stages: Stages, policy: PolicyInfo, interval: float) -> None:
        self._stages = stages
        self._policy = policy
        self._interval = interval
        self._acting = Acting(stages.enforcer)
        self._roster = Roster(stages.engine, stages.narrowing, stages.measuring, stages.keeping)
        self._found: dict[GuestId, tuple[Finding, ...]] = {}
        self._told: dict[tuple[GuestId, str, str], OutcomeStatus] = {}
        self._tick = 0
        self._overruns = 0

    def overrun(self) -> None:
        """Count a tick that was left out because the one before still ran."""
        self._overruns += 1

    def adopt(self, policy: Policy, info: PolicyInfo) -> None:
        """Judge by another policy from the next tick on."""
        self._policy = info
        self._roster.adopt(policy, at=info.loaded)

    def refuse(self, error: str) -> None:
        """Keep the policy in force, and say why a newer one was not taken."""
        self._policy = replace(self._policy, error=error)

    def save(self, *, at: float) -> None:
        """Keep what was learned of all guests."""
        self._stages.keeping.save_engine(self._stages.engine, at)

    def tick(self) -> Fleet:
        """Carry out one tick; the fleet as every reader sees it."""
        began = time.perf_counter()
        self._tick += 1
        stages, policy = self._stages, self._stages.narrowing.policy
        events = stages.hypervisor.events()
        if stages.hypervisor.resynced():
            stages.enforcer.resync()
        stages.enforcer.mark(events)
        reading = stages.hypervisor.sample()
        guests = self._follow(reading)
        fresh = {guest.id: freshness(reading, guest) for guest in guests.values()}
        alive = [guest for guest in guests.values() if fresh[guest.id] is not Freshness.IDLE]
        stages.probing.watch(alive)
        frame, pair = stages.measuring.frame(stages.engine.guests, reading)
        load = stages.measuring.load()
        scores = stages.engine.step(
            # what a silent emulator still shows is shown, and says nothing of the guest
            np.where(pair.partial[:, None], np.nan, frame.values),
            at=reading.at,
            seconds=pair.seconds,
            findings=stages.measuring.findings(events, guests),
            contention=load.contention if load else 0.0,
        )
        rows = {guest: row for row, guest in enumerate(stages.engine.guests)}
        tick = Tick(self._tick, reading, frame, scores, policy.id)
        verdicts = self._judge(tick, rows, guests, fresh)
        self._acting.act(
            guests, verdicts, policy, running=len(alive), at=reading.at, clock=reading.clock
        )
        assessments = {
            id_: assess(
                tick,
                guests[id_],
                row=rows[id_],
                engine=stages.engine,
                verdict=verdict,
                outcomes=self._acting.outcomes(id_, reading.at),
                age=self._roster.age(id_, reading.clock),
            )
            for id_, verdict in verdicts.items()
        }
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
        )

    def _follow(self, reading: Reading) -> Mapping[GuestId, Guest]:
        """The inventory of this tick, with every guest in its place."""
        guests = self._stages.hypervisor.inventory()
        for gone in self._roster.follow(guests, at=reading.at, clock=reading.clock):
            self._acting.forget(gone)
            self._found.pop(gone, None)
        return guests

    def _judge(
        self,
        tick: Tick,
        rows: Mapping[GuestId, int],
        guests: Mapping[GuestId, Guest],
        fresh: Mapping[GuestId, Freshness],
    ) -> Mapping[GuestId, Verdict]:
        """What the policy makes of every guest's trust."""
        at, clock, roster = tick.reading.at, tick.reading.clock, self._roster
        verdicts: dict[GuestId, Verdict] = {}
        for id_ in guests:
            how = fresh[id_]
            if how is Freshness.FRESH:
                roster.measured(id_, clock)
            never = isnan(roster.age(id_, clock))
            verdicts[id_] = self._stages.narrowing.judge(
                id_,
                nan if never else float(tick.scores.trust[rows[id_]]),
                at=at,
                clock=clock,
                # a guest that does not run is not silent: there is nothing to hear
                stale_for=0.0 if how is Freshness.IDLE else roster.unseen(id_, clock),
            )
        return verdicts

    def _keep(
        self,
        assessments: Mapping[GuestId, Assessment],
        verdicts: Mapping[GuestId, Verdict],
        reading: Reading,
    ) -> None:
        """Store what changed: a restart must not forget it."""
        stages = self._stages
        entries: list[Entry] = []
        changed: dict[GuestId, tuple[str, Saved]] = {}
        for id_, now in assessments.items():
            verdict = verdicts[id_]
            if verdict.before:
                entries.append(band_entry(now, verdict.before))
            if verdict.before or self._found.get(id_, ()) != now.findings:
                changed[id_] = (now.guest.name, stages.narrowing.saved(id_))
            self._found[id_] = now.findings
            entries += [action_entry(now, each) for each in now.outcomes if self._news(id_, each)]
        stages.keeping.note(entries)
        stages.keeping.save_guests(stages.engine, changed, at=reading.at, clock=reading.clock)

    def _news(self, guest: GuestId, outcome: Outcome) -> bool:
        """Whether an outcome is another one than the guest's last of that device."""
        place = (guest, outcome.action.lever, outcome.action.device)
        before = self._told.get(place)
        self._told[place] = outcome.status
        if outcome.status is OutcomeStatus.RESTORED:
            del self._told[place]
        return outcome.status != before and outcome.status is not OutcomeStatus.HELD
