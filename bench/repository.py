"""The behaviour repository: what a month of 200 guests takes, and how fast it answers.

A month of ticks is stored as the daemon stores it, through the same code, with the daily
retention in between; then everything that a page asks is asked.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from bench.results import write
from tests.api.fleets import BANDS, assessed, fleet, guest_id
from trustd.model import FeatureSpec, Frame, Freshness, Samples, Unit
from trustd.pipeline.remembering import TICKS, Remembering
from trustd.repository import Asked, Block, Database, Entry, Journal, Layout, Timelines, chunks_of
from trustd.repository.retention import Bounds, Retention
from trustd.repository.storage import measured

FEATURES = 40
EVERY = 5.0
DAY = 86400.0
BEGIN = 1_780_000_000.0
BOUNDS = Bounds((2 * DAY, 14 * DAY, 400 * DAY), 183 * DAY, 365 * DAY, 1e12)
_CHUNK = 50


def month(database: Database, guests: int, days: int) -> dict[str, float]:
    """Store days of ticks, and say what that cost."""
    timelines = Timelines(database)
    layout = Layout(
        BANDS, tuple(map(str, Freshness)), tuple(f"f{each}" for each in range(FEATURES))
    )
    ids = tuple(guest_id(each) for each in range(guests))
    random = np.random.default_rng(7)
    level = random.lognormal(8, 2, (guests, FEATURES)).astype(np.float32)
    # what hypervisors report: an eighth is not there, a quarter stands still, the rest is noise
    kinds = np.arange(FEATURES) % 8
    level[:, kinds == 0] = np.nan
    noise = np.where(kinds < 3, 0.0, 0.3).astype(np.float32)
    clock = [BEGIN]
    retention = Retention(database, BOUNDS, clock=lambda: clock[0], steady=lambda: clock[0])
    spent, stored, batches, pruned = 0.0, 0, [], []
    stretches = int(days * DAY / (TICKS * EVERY))
    for stretch in range(stretches):
        at = clock[0] + np.arange(TICKS) * EVERY
        values = np.empty((TICKS, guests, 4 + FEATURES), np.float32)
        values[:, :, :4] = (0.9, 0.1, 0, 0)
        jitter = random.standard_normal((TICKS, guests, FEATURES), np.float32) * noise
        values[:, :, 4:] = level * np.maximum(0.0, 1 + jitter)
        block = Block(layout, ids, at, values, np.ones((TICKS, guests), np.bool_))
        clock[0] += TICKS * EVERY
        cpu = time.process_time()
        chunks = list(chunks_of(block))
        for first in range(0, guests, _CHUNK):
            began = time.perf_counter()
            timelines.store(chunks[first : first + _CHUNK])
            batches.append(time.perf_counter() - began)
        spent += time.process_time() - cpu
        stored += TICKS
        if stretch % 12 == 11:  # an hour of it; the daemon looks every minute
            began = time.perf_counter()
            retention.run()
            pruned.append(time.perf_counter() - began)
    return {
        "store_cpu_ms_a_tick": spent / stored * 1e3,
        "write_batch_p50_ms": statistics.median(batches) * 1e3,
        "write_batch_p99_ms": statistics.quantiles(batches, n=100)[98] * 1e3,
        "retention_an_hour_of_history_mean_s": statistics.mean(pruned),
    }


def queries(database: Database, guests: int, days: int) -> dict[str, float]:
    """What a page asks, of every tenth guest."""
    timelines, end = Timelines(database), BEGIN + days * DAY
    figures: dict[str, float] = {}
    for name, span, points in (("hour", 1 / 24, 720), ("day", 1, 500), ("day_fine", 1, 2000),
                               ("week", 7, 500), ("month", days, 500),
                               ("month_fine", days, 2000)):  # fmt: skip
        for feature in (None, "f5"):
            took, spent = [], []
            for guest in range(0, guests, max(1, guests // 20)):
                asked = Asked(guest_id(guest), end - span * DAY, end, points)
                began, cpu = time.perf_counter(), time.thread_time()
                found = (
                    timelines.trust(asked).points
                    if feature is None
                    else timelines.samples(asked, feature)
                )
                took.append(time.perf_counter() - began)
                spent.append(time.thread_time() - cpu)
                assert len(found.at) >= min(points, min(span, days) * 20) / 2
            kind = "trust" if feature is None else "feature"
            figures[f"query_{kind}_{name}_p50_ms"] = statistics.median(took) * 1e3
            figures[f"query_{kind}_{name}_worst_ms"] = max(took) * 1e3
            figures[f"query_{kind}_{name}_cpu_p50_ms"] = statistics.median(spent) * 1e3
    return figures | slowest(figures)


def slowest(figures: Mapping[str, float]) -> dict[str, float]:
    """The slowest median and the slowest single query, in whichever kind of query they were.

    >>> slowest({"query_a_p50_ms": 2, "query_a_worst_ms": 9, "query_b_p50_ms": 3})
    {'slowest_query_p50_ms': 3, 'slowest_query_worst_ms': 9}
    """
    return {
        f"slowest_query_{each}_ms": max(
            value
            for name, value in figures.items()
            if name.endswith(f"_{each}_ms") and "_cpu_" not in name
        )
        for each in ("p50", "worst")
    }


def sizes(database: Database, guests: int) -> dict[str, float]:
    """What it takes on disk, and what a guest costs in a day, keys and free room included."""
    told = measured(database, BOUNDS, interval=EVERY, guests=guests)
    figures = {"used_mib": told.used / 2**20, "used_a_guest_mib": told.used / 2**20 / guests}
    for kind in told.kinds:
        if kind.a_day is not None:
            figures[f"{kind.name}_a_guest_day_kib"] = kind.a_day / 1024
    figures["other_mib"] = told.kinds[-1].bytes / 2**20
    if told.expected is not None:
        figures["expected_at_the_bounds_mib"] = told.expected / 2**20
    return figures


def noting(guests: int) -> dict[str, float]:
    """What a tick costs the line: copying its numbers."""
    features = [FeatureSpec(f"f{each}", Unit.PERCENT, "cpu") for each in range(FEATURES)]
    remembering = Remembering(None, features)  # type: ignore[arg-type]  # nothing is stored
    columns = {feature.name: place for place, feature in enumerate(features)}
    values = np.random.default_rng(7).random((guests, FEATURES))
    frame = Frame(columns, values, np.zeros(values.shape, np.int8))
    every = [assessed(f"g{each}", each, samples=Samples(frame, each)) for each in range(guests)]
    took = []
    for tick in range(40):
        now = fleet(*every, at=BEGIN + tick * EVERY)
        began = time.process_time()
        remembering.note(now)
        took.append(time.process_time() - began)
    return {f"note_{guests}_guests_cpu_ms": statistics.median(took) * 1e3}


def pruning(database: Database) -> dict[str, float]:
    """Dropping a month of the trail that became old, in a repository that holds a month."""
    count = 50_000
    journal = Journal(database)
    document = {
        "before": "trusted",
        "after": "guarded",
        "drivers": ["x" * 120],
        "policy": "5f" * 32,
    }
    for first in range(0, count, 5000):
        journal.append(
            Entry(BEGIN - 300 * DAY + number, guest_id(number % 200), "web", "action", document)
            for number in range(first, first + 5000)
        ).result()
    took: list[float] = []
    submit = database.submit

    def timed(work: Callable[..., Any], *, synced: bool = True) -> Future[Any]:
        def clocked(connection: sqlite3.Connection) -> object:
            began = time.perf_counter()
            try:
                return work(connection)
            finally:
                took.append(time.perf_counter() - began)

        return submit(clocked, synced=synced)

    database.submit = timed  # type: ignore[method-assign,assignment]
    end = BEGIN + 40 * DAY
    retention = Retention(database, BOUNDS, clock=lambda: end, steady=lambda: end)
    began = time.perf_counter()
    ran = retention.run()
    whole = time.perf_counter() - began
    return {
        "prune_records": ran.dropped["audit"],
        "prune_s": whole,
        "prune_batch_p50_ms": statistics.median(took) * 1e3,
        "prune_batch_worst_ms": max(took) * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guests", type=int, default=200)
    parser.add_argument("--days", type=int, default=30)
    asked = parser.parse_args()
    figures: dict[str, float | int | str] = {"guests": asked.guests, "days": asked.days}
    with tempfile.TemporaryDirectory() as directory:
        database = Database(Path(directory) / "trustd.db")
        try:
            figures |= noting(1000)
            figures |= month(database, asked.guests, asked.days)
            figures |= sizes(database, asked.guests)
            figures |= queries(database, asked.guests, asked.days)
            figures |= pruning(database)
        finally:
            database.close()
    write("repository", figures)


if __name__ == "__main__":
    main()
