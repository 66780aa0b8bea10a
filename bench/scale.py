"""What a tick costs at 100, 1,000 and 10,000 guests, in processor time and in memory.

Each size is a daemon in a process of its own, and the sizes take turns, so that a busy
machine is busy for all of them. What is measured is all that the daemon does: reading
the hypervisor's reply, scoring, deciding, history, incidents, audit, publishing, the page
of metrics, and the saves and clean-ups that are due now and then. Making the reply is
libvirt's part and is not counted.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import mean, median
from typing import Any

from bench.clock import Clock
from bench.repository import BEGIN, DAY, month
from bench.results import write
from bench.stages import STAGES, Stopwatch, until_published
from bench.standing import Standing
from trustd.daemon.build import DATABASE
from trustd.repository import Database

SIZES = (100, 1_000, 10_000)
WARM = 4
"""Ticks of each size before any is measured."""
TURN = 6
"""Ticks of one size, before it is the next one's turn."""
STAGED = 2
"""Ticks in each turn that are told by stages."""
TROUBLED = 100
"""One guest in so many has something open against it."""
ASKED = 25
"""Guests whose day is asked for."""
ROOT = Path(__file__).parents[1]
OWN = """
from pathlib import Path
import trustd.daemon.cli

def pages():
    return int(Path("/proc/self/statm").read_text("ascii").split()[1])

before = pages()
import bench.scale, numpy.random
print(pages() - before)
"""
"""What a daemon has, and then what is measured with it and no daemon has."""


class Bench:
    """One daemon, and what is done with it."""

    def __init__(self, guests: int, state: Path, clock: Clock) -> None:
        self._standing = Standing(guests, state, clock)

    def ticks(self, count: int) -> list[float]:
        """Milliseconds of processor time of so many ticks."""
        return [1e3 * self._standing.tick() for _ in range(count)]

    def trouble(self) -> None:
        """Have some guests set back to a snapshot."""
        for guest in list(self._standing.host.inventory())[::TROUBLED]:
            self._standing.host.tell(guest, "lifecycle", "started", "from-snapshot")

    def stages(self, count: int) -> dict[str, float]:
        """Milliseconds of a tick, by stage."""
        watch = Stopwatch()
        with watch.running():
            self.ticks(count)
        return {stage: 1e3 * spent / count for stage, spent in watch.spent.items()}

    def look(self) -> None:
        """Ask for the last day of some guests, as a page does."""
        end, history = self._standing.clock.at, self._standing.daemon.history
        for guest in list(self._standing.host.inventory())[:ASKED]:
            for feature in (None, "cpu.usage"):
                history.timeline(guest, feature, end - DAY, end, 500)

    def resident(self) -> float:
        """Mebibytes of memory that this process holds now."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def close(self) -> None:
        """End the daemon."""
        self._standing.close()


def serve(asked: Connection, guests: int, state: Path, at: float) -> None:
    """Do what is asked until nothing more is; the main function of a process."""
    clock = Clock(at)
    with clock.in_force():
        bench = Bench(guests, state, clock)
        while (call := asked.recv()) is not None:
            name, *arguments = call
            asked.send(getattr(bench, name)(*arguments))
        bench.close()


class Remote:
    """A daemon in a process of its own."""

    def __init__(self, guests: int, state: Path, at: float = BEGIN) -> None:
        self.guests = guests
        # spawned, not forked: its memory is its own
        spawn = multiprocessing.get_context("spawn")
        self._pipe, other = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(other, guests, state, at))
        self._process.start()

    def ask(self, *call: str | int) -> Any:  # noqa: ANN401 - what the method gives
        """The answer of one method of :class:`Bench`."""
        self._pipe.send(call)
        while not self._pipe.poll(1.0):
            if not self._process.is_alive():
                raise RuntimeError(f"the daemon of {self.guests} guests ended")
        return self._pipe.recv()

    def close(self) -> None:
        """End it."""
        if self._process.is_alive():
            self._pipe.send(None)
        self._process.join()


@contextmanager
def daemons(sizes: Sequence[int], directory: Path) -> Iterator[list[Remote]]:
    """A daemon of each size, with a repository of its own."""
    remotes: list[Remote] = []
    try:
        for guests in sizes:
            state = directory / str(guests)
            state.mkdir()
            remotes.append(Remote(guests, state))
        yield remotes
    finally:
        for remote in remotes:
            remote.close()


def own() -> float:
    """Mebibytes of each process measured here that are the bench's: its modules, and the generator
    by which guests' loads are made up."""
    done = subprocess.run(
        [sys.executable, "-c", OWN], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout) * os.sysconf("SC_PAGE_SIZE") / 2**20


def growth(sizes: Sequence[int], turns: int, directory: Path) -> dict[str, float]:
    """Processor time and memory by the number of guests; the sizes take turns."""
    figures: dict[str, float] = {}
    spent: dict[int, list[list[float]]] = {guests: [] for guests in sizes}
    staged: dict[int, list[dict[str, float]]] = {guests: [] for guests in sizes}
    with daemons((1, *sizes), directory) as (least, *others):
        for remote in (least, *others):
            remote.ask("ticks", WARM)
            remote.ask("trouble")
        for _ in range(turns):
            for remote in others:
                spent[remote.guests].append(remote.ask("ticks", TURN))
                staged[remote.guests].append(remote.ask("stages", STAGED))
        least.ask("ticks", TURN)
        bare = least.ask("resident")
        figures["resident_1_guest_mib"] = bare
        figures["resident_of_the_bench_mib"] = own()
        for remote in others:
            name, turns_of = f"{remote.guests}_guests", spent[remote.guests]
            every = [each for turn in turns_of for each in turn]
            figures[f"tick_{name}_cpu_ms_median"] = median(every)
            # what is due only now and then is in the mean
            figures[f"tick_{name}_cpu_ms_mean"] = mean(every)
            figures[f"tick_{name}_cpu_us_a_guest"] = 1e3 * mean(every) / remote.guests
            figures[f"resident_{name}_mib"] = remote.ask("resident")
            stages = {
                stage: mean(each[stage] for each in staged[remote.guests]) for stage in STAGES
            }
            for stage, cost in stages.items():
                figures[f"stage_{name}_{stage}_cpu_ms"] = cost
            figures[f"reply_to_assessments_{name}_cpu_ms"] = until_published(stages)
    for small, large in pairwise(sizes):
        ratios = [
            mean(more) / mean(less) for less, more in zip(spent[small], spent[large], strict=True)
        ]
        figures[f"cpu_{large}_over_{small}"] = median(ratios)
        early, late = (figures[f"reply_to_assessments_{n}_guests_cpu_ms"] for n in (small, large))
        figures[f"reply_to_assessments_{large}_over_{small}"] = late / early
        more, less = (figures[f"resident_{each}_guests_mib"] - bare for each in (large, small))
        figures[f"memory_{large}_over_{small}"] = more / less
    return figures


def day_old(guests: int, directory: Path) -> dict[str, float]:
    """Memory with a day of history in the repository, and after it was looked at."""
    database = Database(directory / DATABASE)
    try:
        month(database, guests, 1)
    finally:
        database.close()
    remote = Remote(guests, directory, BEGIN + DAY)
    try:
        remote.ask("ticks", WARM)
        remote.ask("trouble")
        remote.ask("ticks", 12 * TURN)
        remote.ask("look")
        remote.ask("ticks", TURN)
        return {f"resident_{guests}_guests_a_day_of_history_mib": remote.ask("resident")}
    finally:
        remote.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="GUESTS")
    parser.add_argument("--turns", type=int, default=22, help=f"of {TURN} ticks of each size")
    parser.add_argument("--day", type=int, default=1_000, help="guests with a day of history")
    asked = parser.parse_args()
    # the daemons inherit it: as the shipped unit has it
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as directory:
        figures = growth(sorted({*asked.sizes} - {1}), asked.turns, Path(directory))
    if asked.day:
        with tempfile.TemporaryDirectory() as directory:
            figures |= day_old(asked.day, Path(directory))
    write("scale", figures)


if __name__ == "__main__":
    main()
