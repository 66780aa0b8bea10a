"""A month of history through another policy: how long that takes, and how much memory.

The history is made as the daemon leaves it after a month: ticks of two days, minutes of
fourteen, hours of the rest. Guests behave, and fall now and then for a while; some stay low.
The replay runs in a process of its own, whose memory is read when it ends.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.results import write
from tests.api.fleets import guest_id
from trustd.model import Freshness
from trustd.pipeline.backtest import Backtest
from trustd.policy import Policy, load_policy
from trustd.repository import (
    SEEN,
    Database,
    Entry,
    Journal,
    Layout,
    Points,
    PolicyVersion,
    PolicyVersions,
    Timelines,
)
from trustd.repository.chunk import STEPS, TRUST, Chunk, chunk_of
from trustd.repository.points import rolled
from trustd.repository.recorded import Recorded

POLICY = (Path(__file__).parents[1] / "policies/default.yaml").read_text("utf-8")
STRICTER = POLICY.replace("mode: observe", "mode: enforce").replace("leave: 0.65", "leave: 0.70")
EVERY = 5.0
DAY = 86400.0
END = 1_780_002_000.0 // 3600 * 3600
TIERS = (2 * DAY, 14 * DAY)
_POINTS = (60, 240, 120)
"""In a chunk of each tier."""


def made(path: Path, guests: int, days: int) -> None:
    """A repository that holds a month."""
    database = Database(path)
    policy = load_policy(POLICY, "default.yaml")
    layout = Layout(policy.bands, tuple(map(str, Freshness)), ())
    begin = END - days * DAY
    version = PolicyVersion(policy.id, begin, "default.yaml", POLICY)
    PolicyVersions(database).enter(version).result()
    Journal(database).append(
        Entry(begin - 1.0, guest_id(each), f"guest-{each}", SEEN, _seen(policy))
        for each in range(guests)
    ).result()
    timelines, random = Timelines(database), np.random.default_rng(7)
    for each in range(guests):
        timelines.store(list(_chunks(policy, layout, each, days, random)))
    database.close()


def _chunks(
    policy: Policy, layout: Layout, guest: int, days: int, random: np.random.Generator
) -> Iterator[Chunk]:
    """One guest's history, in the tiers in which it is after so long."""
    bounds = (END - days * DAY, END - min(TIERS[1], days * DAY), END - min(TIERS[0], days * DAY))
    for tier, since, until in zip((2, 1, 0), bounds, (*bounds[1:], END), strict=True):
        at = np.arange(since, until, EVERY)
        if not len(at):
            continue
        points = Points.of_ticks(at, _ticks(policy, at, random))
        if tier:
            points = rolled(points, STEPS[tier])
        for first in range(0, len(points.at), _POINTS[tier]):
            some = np.zeros(len(points.at), np.bool_)
            some[first : first + _POINTS[tier]] = True
            yield chunk_of(guest_id(guest), tier, layout, points.where(some))


def _ticks(
    policy: Policy, at: np.ndarray[tuple[int], np.dtype[np.float64]], random: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """A guest that behaves, and falls about every three days for some minutes."""
    trust = 0.85 + 0.03 * random.standard_normal(len(at))
    for _ in range(random.poisson((at[-1] - at[0]) / (3 * DAY))):
        first = int(random.integers(len(at)))
        trust[first : first + int(random.integers(1, 360))] = random.uniform(0.2, 0.72)
    trust = np.clip(trust, 0.0, 1.0)
    values = np.zeros((len(TRUST), len(at)), np.float32)
    values[0], values[1] = trust, 0.1
    # without the dwell: what was recorded is only compared with
    for band in policy.document.trust.bands[:-1]:
        values[2] += trust < (band.leave or 0.0)
    return values


def _seen(policy: Policy) -> dict[str, object]:
    return {
        "state": "running",
        "labels": {},
        "roles": ["generic"],
        "band": policy.bands[0],
        "protected": False,
        "observed": True,
        "trust": 0.85,
        "policy": policy.id,
        "disks": [["vda", "/images/a.qcow2", False]],
        "nics": [["52:54:00:00:00:01", "default"]],
        "devices": [],
    }


def replay(path: Path) -> dict[str, float]:
    """Go through it once, and say what that cost."""
    policy = load_policy(STRICTER, "stricter.yaml")
    before = _memory()
    began, cpu = time.perf_counter(), time.process_time()
    course = Backtest(Recorded(path), policy, 0.0, END)
    for _ in course.run():
        pass
    books = course.report().books.values()
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "memory_mib": _memory(),
        "memory_before_mib": before,
        "stretches": sum(len(book.now.stretches) for book in books),
        "differences": sum(len(book.differences) for book in books),
    }


def _memory() -> float:
    """The most that this process ever had, in MiB."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not tell")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guests", type=int, nargs="*", default=[30, 200])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.replay:
        print(json.dumps(replay(asked.replay)))
        return
    figures: dict[str, float | int | str] = {"days": asked.days}
    for guests in asked.guests:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "trustd.db"
            made(path, guests, asked.days)
            figures[f"file_{guests}_guests_mib"] = path.stat().st_size / 2**20
            done = subprocess.run(
                [sys.executable, "-m", "bench.backtest", "--replay", str(path)],
                check=True,
                capture_output=True,
            )
        found = json.loads(done.stdout)
        figures |= {f"{name}_{guests}_guests": value for name, value in found.items()}
    write("backtest", figures)


if __name__ == "__main__":
    main()
