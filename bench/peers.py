"""trustd beside what others run to watch guests: the same thirty real guests, one run.

Debian's ``prometheus-libvirt-exporter`` and collectd's ``virt`` plugin take turns with trustd (in
observe mode, with its default policy), so that none disturbs another and all of them meet the same
machine. All are scraped alike. Processor time, of the watcher and of the libvirtd that it asks;
wall time only where waiting is what is measured.

    python -m bench.peers [ROUNDS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Sequence
from math import inf
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import debian
from bench.alone import alone
from bench.processor import busy, load, resident, spent
from bench.results import write
from bench.watchers import PACKAGES, Running, Scrape, Watcher, running, watchers
from tests.lab.errors import LabError
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import tail, wait_until
from trustd.hypervisor import HypervisorSettings
from trustd.hypervisor.connection import Connection
from trustd.hypervisor.queries import whole_statistics
from trustd.hypervisor.sampling import Sampler
from trustd.model import GuestId

GUESTS = 30
INTERVAL = 5.0
"""Of the scrapes, and of the watchers that have an interval of their own; trustd's default."""
COLLECTIONS = 3
"""For which processor time is measured, in each round."""
AGES = 7
"""Scrapes over two intervals, for the age of what they bring."""
FROZEN = 8
"""Scrapes while one guest's emulator stands still."""
RESTART = 8
"""Scrapes around a restart of libvirtd."""
DOWN = 3.0
"""Seconds for which there is no libvirtd."""
PATIENCE = 90.0
"""Seconds for which it is waited until every guest is seen again."""
READINGS = 12
BOOT_TOGETHER, BOOT_SECONDS = 6, 300.0
"""More of them at once are no sooner up, on two processors."""


class Bench:
    """Thirty guests, and what watches them in turn."""

    def __init__(self, hypervisor: Hypervisor, log: Path) -> None:
        self.hypervisor = hypervisor
        self.names = {guest.name for guest in hypervisor.guests}
        self._log = log

    @property
    def libvirtd(self) -> int:
        """Its process, as the outside sees it."""
        inside = self.hypervisor.path("/run/libvirtd.pid").read_text("ascii")
        return self.hypervisor.outside_pid(int(inside))

    def round(self, watcher: Watcher) -> dict[str, float]:
        """Start it, measure some collections, end it."""
        with running(self.hypervisor, watcher, self._log) as watched:
            found = {"first_data_s": self.first(watched)}
            # what a start costs, beside how long it takes on this machine as busy as it is
            found["first_data_cpu_s"] = spent(watched.pid)
            found["resident_mib"] = resident(watched.pid)
            watched.scrape(INTERVAL)  # one collection on which nothing depends
            before, daemon = spent(watched.pid), spent(self.libvirtd)
            scrapes = watched.scrape(INTERVAL, COLLECTIONS)
            time.sleep(max(0.0, scrapes[-1].due + INTERVAL - time.time()))
            found["cpu_ms"] = 1e3 * (spent(watched.pid) - before) / COLLECTIONS
            found["libvirtd_cpu_ms"] = 1e3 * (spent(self.libvirtd) - daemon) / COLLECTIONS
            found["scrape_ms"] = 1e3 * median(each.ended - each.asked for each in scrapes)
            # at all moments of an interval, since some collect when they like and some when asked
            apart = watched.scrape(2 * INTERVAL / AGES, AGES)
            found["age_s"] = median(age for each in apart for age in ages(each, self.names))
        return found

    def first(self, watched: Running) -> float:
        """Seconds from its start until a scrape shows every guest."""
        shown: list[Scrape] = []

        def complete() -> bool:
            shown.extend(watched.scrape(INTERVAL))
            return self.names <= shown[-1].times.keys()

        try:
            wait_until(complete, f"{watched.watcher.kind} shows every guest", seconds=120)
        except LabError as error:
            raise LabError(f"{error}; it said:\n{tail(self._log, lines=20)}") from None
        return shown[-1].ended - watched.began

    def frozen(self, watcher: Watcher) -> dict[str, float]:
        """One guest's emulator stands still; what is seen of all others meanwhile."""
        victim = self.hypervisor.guests[GUESTS // 2]
        with running(self.hypervisor, watcher, self._log) as watched:
            self.first(watched)
            watched.scrape(INTERVAL, 2)
            victim.freeze()
            try:
                scrapes = watched.scrape(INTERVAL, FROZEN)
            finally:
                victim.thaw()
            thawed = time.time()
            found = seen(scrapes, self.names - {victim.name})
            found["frozen_guest_shown"] = sum(victim.name in each.times for each in scrapes)
            return {**found, "whole_again_s": self.again(watched, thawed)}

    def restart(self, watcher: Watcher) -> dict[str, float]:
        """libvirtd goes, and comes back; what is seen of every guest meanwhile."""
        with running(self.hypervisor, watcher, self._log) as watched:
            self.first(watched)
            with watched.scraping(INTERVAL, RESTART) as scrapes:
                time.sleep(1.5 * INTERVAL)
                self.hypervisor.stop_libvirtd()
                time.sleep(DOWN)
                self.hypervisor.start_libvirtd()
                back = time.time()
            return {**seen(scrapes, self.names), "whole_again_s": after(scrapes, self.names, back)}

    def again(self, watched: Running, since: float) -> float:
        """Seconds until every guest was sampled again; infinite where that does not come."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and watched.alive:
            times = watched.scrape(INTERVAL)[0].times
            if all(times.get(name, 0.0) > since for name in self.names):
                return max(times[name] for name in self.names) - since
            time.sleep(0.5)
        return inf


def ages(scrape: Scrape, names: Collection[str]) -> list[float]:
    """How old what the scraper has of each guest is when it has it, in seconds."""
    return [scrape.ended - scrape.times[name] for name in names if name in scrape.times]


def seen(scrapes: Sequence[Scrape], names: Collection[str]) -> dict[str, float]:
    """Which samples a scraper missed, and how old its newest one of a guest ever was.

    A sample is lost where a scrape brings nothing of the guest, or nothing that is younger
    than two intervals.

    >>> quick = Scrape(0.0, 0.0, 0.1, "", {"a": 0.0, "b": -11.0})
    >>> failed = Scrape(5.0, 5.0, 10.0, "timed out", {})
    >>> seen([quick, failed], ["a", "b"])
    {'samples': 4, 'lost': 3, 'failed_scrapes': 1, 'oldest_s': 21.0}
    """
    lost, oldest = 0, 0.0
    for name in names:
        # of a guest that was never seen, nothing is known since the first scrape was due
        newest = scrapes[0].times.get(name, scrapes[0].due)
        for scrape in scrapes:
            at = scrape.times.get(name)
            lost += at is None or scrape.ended - at > 2 * INTERVAL
            newest = max(newest, at or newest)
            oldest = max(oldest, scrape.ended - newest)
    return {
        "samples": len(names) * len(scrapes),
        "lost": lost,
        "failed_scrapes": sum(bool(scrape.error) for scrape in scrapes),
        "oldest_s": oldest,
    }


def after(scrapes: Sequence[Scrape], names: Collection[str], since: float) -> float:
    """Seconds until every guest was sampled again; infinite where that did not come.

    >>> later = Scrape(10.0, 10.0, 10.1, "", {"a": 8.0, "b": 9.0})
    >>> after([later], ["a", "b"], 7.0), after([later], ["a", "b"], 8.5)
    (2.0, inf)
    """
    slowest = 0.0
    for name in names:
        moments = (scrape.times.get(name, 0.0) for scrape in scrapes)
        slowest = max(slowest, min((at - since for at in moments if at > since), default=inf))
    return slowest


def reading(hypervisor: Hypervisor) -> dict[str, float]:
    """What trustd's own reading of all guests costs, and what each further guest adds to it."""
    took: dict[int, list[float]] = {GUESTS // 3: [], GUESTS: []}
    door = HypervisorSettings(uri=hypervisor.uri_readonly)
    connection = Connection(door)
    sampler = Sampler(door)
    identities = [GuestId(guest.uuid) for guest in hypervisor.guests]
    spent_here = []
    for _ in range(READINGS):
        for guests, seconds in took.items():
            without = frozenset(identities[guests:])
            seconds.append(whole_statistics(connection.handle, without=without).seconds)
        began = time.process_time()
        sampler.sample()
        spent_here.append(time.process_time() - began)
    connection.close()
    sampler.close()
    few, all_of_them = (1e3 * median(seconds) for seconds in took.values())
    return {
        "reading_cpu_ms": 1e3 * median(spent_here),
        f"bulk_call_{GUESTS // 3}_guests_ms": few,
        f"bulk_call_{GUESTS}_guests_ms": all_of_them,
        "bulk_call_ms_per_guest": (all_of_them - few) / (GUESTS - GUESTS // 3),
        "bulk_call_slowest_ms": 1e3 * max(took[GUESTS]),
    }


def main() -> int:
    """Measure everything; what did not come about is *never*."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    figures: dict[str, float | int | str] = {"guests": GUESTS, "interval_s": INTERVAL}
    with alone(), TemporaryDirectory() as directory, Hypervisor("peers") as hypervisor:
        specs = [GuestSpec(f"guest-{number:02}") for number in range(GUESTS)]
        began = time.monotonic()
        for start in range(0, GUESTS, BOOT_TOGETHER):
            hypervisor.start(*specs[start : start + BOOT_TOGETHER], seconds=BOOT_SECONDS)
        figures["boot_s"] = time.monotonic() - began
        say(f"{GUESTS} guests are up after {figures['boot_s']:.0f} s, load {load():.1f}")
        turns, since = watchers(hypervisor, INTERVAL), busy()
        bench = Bench(hypervisor, Path(directory) / "log")
        found: dict[str, list[dict[str, float]]] = {each.kind: [] for each in turns}
        for number in range(rounds):
            for watcher in turns:
                found[watcher.kind].append(bench.round(watcher))
                say(f"round {number + 1}, {watcher.kind}: {told(found[watcher.kind][-1])}")
        for kind, each in found.items():
            for figure in each[0]:
                figures[f"{kind}_{figure}_median"] = median(one[figure] for one in each)
        for trouble, meet in (("frozen", bench.frozen), ("restart", bench.restart)):
            for watcher in turns:
                one = meet(watcher)
                say(f"{trouble}, {watcher.kind}: {told(one)}")
                figures |= {f"{watcher.kind}_{trouble}_{name}": one[name] for name in one}
        figures |= {f"trustd_{name}": value for name, value in reading(hypervisor).items()}
        figures |= {"busy_processors": since(), "load_at_the_end": load()}
    figures |= {f"{kind}_version": debian.version(names[0]) for kind, names in PACKAGES.items()}
    write("peers", {name: "never" if each == inf else each for name, each in figures.items()})
    return 0


def told(figures: dict[str, float]) -> str:
    """Figures on one line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def say(text: str) -> None:
    """Print at once: a run takes a quarter of an hour."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
