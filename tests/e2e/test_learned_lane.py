"""The learned lane on real guests: a job that always ran is nobody's guilt, an attack is.

No envelope is stated here; what is normal is learned from the guests alone. Days would take
too long: the guests' rates are measured as they are, and the engine is told that each sample
stood for a quarter of an hour, with all its constants as they ship. A rate does not depend on
that, and whatever has a duration (a window, a half-life, a night) is so many samples, however
long they take on a busy machine. It is harder on the engine than the truth: a sample is judged
as one window, so that there is a third of the evidence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import count

import numpy as np
import pytest

from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from trustd.hypervisor import HypervisorSettings, LibvirtHypervisor
from trustd.model import GuestId
from trustd.pipeline import Measuring, Probing
from trustd.plugins import Plugins, Ward, discover
from trustd.trust import Engine, Explanation, Settings

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

HOUR, DAY = 3600.0, 86400.0
STEP = 900.0
"""Seconds that the engine is told to be between two samples."""
EVERY = 0.5
"""Real seconds between two samples, where none takes longer."""
PATIENCE = 10.0
"""Seconds for a sample: with all guests, or a busy machine would decide what is seen."""
LAST = 4
"""The night that counts; the job ran in so many before it."""
JOB = (2 * HOUR, 4 * HOUR)
"""When the job runs, from midnight."""
LASTS = 4 * HOUR
"""How long an attack goes on, and in which time it must be seen: 16 samples."""
BAD = 0.5
"""Trust below it is what narrows a guest."""
SPARED = 0.08
"""What its own record must be worth to the job's guest at least."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured of all guests at one time.

    Args:
        at: epoch seconds, as the engine is told.
        seconds: since the sample before, as the engine is told; NaN where there is none.
        contention: of the host.
    """

    at: float
    seconds: np.ndarray
    values: np.ndarray
    contention: float


class Watch:
    """Samples real guests at a steady pace, through libvirt and the collectors that ship."""

    def __init__(self, host: Hypervisor) -> None:
        self.order = tuple(GuestId(guest.uuid) for guest in host.guests)
        found = discover()
        plugins = Plugins(collectors=found.collectors, sensors=found.sensors)
        ward = Ward(plugins.names)
        self._door = LibvirtHypervisor(HypervisorSettings(uri=host.uri_readonly, deadline=PATIENCE))
        probing = Probing((), ward, time.time)
        self._measuring = Measuring(plugins, probing, ward, longest=10 * PATIENCE)
        self.features = self._measuring.features
        self._door.start()

    def close(self) -> None:
        self._door.close()

    def samples(self) -> Iterator[Sample]:
        """Without end; day 0 begins with the first."""
        following, before = 0.0, -EVERY
        for number in count():
            time.sleep(max(0.0, following - time.monotonic()))
            following = time.monotonic() + EVERY
            reading = self._door.sample()
            factor, before = STEP / (reading.clock - before), reading.clock
            frame, pair = self._measuring.frame(self.order, reading)
            load = self._measuring.load()
            yield Sample(
                number * STEP,
                pair.seconds * factor,
                frame.values,
                load.contention if load else 0.0,
            )


@dataclass(frozen=True, slots=True)
class Attack:
    """Something that a guest never did before.

    Args:
        hour: of the last day at which it begins.
        does: what the guest is told.
        signals: with one of these the explanation must begin.
    """

    hour: float
    does: Callable[[Guest], None]
    signals: str


ATTACKS = {
    "miner": Attack(7 * HOUR, lambda guest: guest.burn(1.0), "cpu.usage"),
    "flooder": Attack(11 * HOUR, lambda guest: guest.flood(1500, size=1400), "net.tx."),
    "rewriter": Attack(15 * HOUR, lambda guest: guest.write(12e6), "disk.write."),
}
NAMES = ("calm", "job", *ATTACKS)


@dataclass(slots=True)
class Course:
    """What became of the guests.

    Args:
        trust: of each guest at every time, as (epoch seconds, trust, trust without records).
        fallen: when and with which explanation an attacker fell.
    """

    trust: dict[str, list[tuple[float, float, float]]] = field(
        default_factory=lambda: {name: [] for name in NAMES}
    )
    fallen: dict[str, tuple[float, Explanation]] = field(default_factory=dict)

    def lowest(self, name: str, since: float, until: float, *, recorded: bool = True) -> float:
        """The lowest trust of a guest in some time, or what it were without records."""
        return min(
            seen[1 if recorded else 2] for seen in self.trust[name] if since <= seen[0] < until
        )

    def __str__(self) -> str:
        days = range(LAST + 1)
        told = {
            name: [round(self.lowest(name, day * DAY, (day + 1) * DAY), 2) for day in days]
            for name in NAMES
        }
        terms = {
            name: [asdict(term) for term in why.terms[:3]] for name, (_, why) in self.fallen.items()
        }
        return f"lowest trust a day: {told}\nterms: {json.dumps(terms, indent=1)}"


@pytest.fixture(scope="module")
def course(shared):
    """Four nights of a job, and a day on which three other guests turn bad, one after the other."""
    usual = Settings()
    unrecorded = replace(usual, paces=tuple(replace(pace, excess=0.0) for pace in usual.paces))
    with Hypervisor("nights", shared=[shared]) as host:
        guests = dict(zip(NAMES, host.start(*map(GuestSpec, NAMES), seconds=600), strict=True))
        guests["miner"].burn(0.05)
        guests["flooder"].flood(20, size=200)
        guests["rewriter"].write(40_000, block=4096)
        watch = Watch(host)
        try:
            engines = [Engine(watch.features, watch.order, each) for each in (usual, unrecorded)]
            yield follow(watch, engines, guests)
        finally:
            watch.close()


def follow(watch: Watch, engines: list[Engine], guests: dict[str, Guest]) -> Course:
    """Feed the engines from the guests, until the last attack is over."""
    course = Course()
    at_work: set[str] = set()
    end = LAST * DAY + max(attack.hour for attack in ATTACKS.values()) + LASTS
    for sample in watch.samples():
        if sample.at >= end:
            return course
        scored, other = (
            engine.step(
                sample.values,
                at=sample.at,
                seconds=sample.seconds,
                contention=sample.contention,
            )
            for engine in engines
        )
        for row, name in enumerate(NAMES):
            trust = float(scored.trust[row])
            course.trust[name].append((sample.at, trust, float(other.trust[row])))
            if name in at_work and name in ATTACKS and trust < BAD:
                course.fallen.setdefault(name, (sample.at, engines[0].explain(watch.order[row])))
        direct(sample.at, guests, at_work)
    raise AssertionError("the samples ended")


def direct(at: float, guests: dict[str, Guest], at_work: set[str]) -> None:
    """Have every guest do what the hour says."""
    day, hour = divmod(at, DAY)
    wanted = {"job"} if JOB[0] <= hour < JOB[1] else set()
    wanted |= {
        name
        for name, attack in ATTACKS.items()
        if day == LAST and attack.hour <= hour < attack.hour + LASTS
    }
    for name in wanted - at_work:
        if name == "job":
            guests[name].write(8e6)
            guests[name].read(8e6)
        else:
            ATTACKS[name].does(guests[name])
    for name in at_work - wanted:
        guests[name].quiet()
    at_work.clear()
    at_work |= wanted


def test_job_that_always_ran_narrows_nobody(course):
    """A guest that reads and writes its disk every night at the same hour keeps its trust on the
    fifth; without its own record it would lose some, so it is the record that spares it."""
    night = (LAST * DAY + JOB[0], LAST * DAY + JOB[1] + HOUR)
    kept = course.lowest("job", *night)
    assert kept >= BAD, course
    assert course.lowest("job", *night, recorded=False) <= kept - SPARED, course


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_seen_and_explained(course, name):
    """A guest that mines, floods or rewrites its disk loses its trust within four hours' samples,
    not before it begins, and its explanation names the right signal among the first two (under
    emulation a flood burns as much processor as it sends), in real units."""
    attack = ATTACKS[name]
    begins = LAST * DAY + attack.hour
    assert course.lowest(name, DAY, begins) >= BAD, course
    assert name in course.fallen, course
    at, why = course.fallen[name]
    assert at <= begins + LASTS, course
    named = [term for term in why.terms[:2] if term.signal.startswith(attack.signals)]
    assert named, course
    assert named[0].value > 3 * named[0].expected, course
    assert named[0].rarity < 0.1, course
    assert why.restore, course


def test_calm_guest_is_never_touched(course):
    """While others run jobs and attack, a guest that does nothing keeps its trust every day."""
    assert course.lowest("calm", DAY, (LAST + 1) * DAY) >= BAD, course
