"""A month of a host on which guests come and go, as fast as it can be worked through.

The whole daemon runs over a clock of its own: guests come for good and go for good,
migrate and come back, reboot, are renamed, set back and crash; libvirtd restarts, the
policy is changed and loaded anew, pages are asked for. What must not grow, must not: memory,
open files, threads, and the repository beyond what its retention foresees. At the end
the audit trail is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.churn import Churn
from bench.clock import Clock
from bench.host import DAY
from bench.results import write
from bench.rows import MONTH
from bench.standing import POLICY, Standing
from trustd.decisions.question import Asker, Question

HOUR = 3600.0
SPARE_MIB, SPARE_SHARE = 6.0, 0.05
"""Memory may grow so far from one look to the last: an allocator does not give back all."""
SPARE_BLOCKS = 0.05
"""The same of the objects that Python counts."""
RECORD_BLOCKS = 1500
"""Objects in the record of an incident that nobody has resolved: 400 points, and what was said."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the process and its repository held at one time.

    Args:
        day: that had passed.
        blocks: pieces of memory in which Python's objects are.
        incidents: that are open; nobody here handles them.
        used, foreseen: bytes of the repository, and what it is to be in the end.
    """

    day: float
    resident_mib: float
    blocks: int
    incidents: int
    files: int
    threads: int
    used: int
    foreseen: float | None


class Soak:
    """A daemon, and everything that happens to it.

    Args:
        state: a directory for its repository and its policy.
        clock: in force already.
        interval: seconds between two ticks.
    """

    def __init__(self, guests: int, state: Path, clock: Clock, interval: float) -> None:
        self._policy = state / "policy.yaml"
        self._text = POLICY.read_text("utf-8")
        self._policy.write_text(self._text, "utf-8")
        self.standing = Standing(
            guests,
            state,
            clock,
            # every tick brings a minute: looking for what is old every half hour is often enough
            upkeep=HOUR / 2,
            policy=str(self._policy),
            interval=interval,
        )
        self.churn = Churn(self.standing.host, guests, interval)
        self.ticks = 0
        self.reloads = 0
        self._every_hour = max(1, round(HOUR / interval))

    def run(self, days: float) -> None:
        """Let so many days pass."""
        end = self.standing.clock.at + days * DAY
        while self.standing.clock.at < end:
            self.churn.tick()
            self.standing.tick()
            self.ticks += 1
            if self.ticks % self._every_hour == 0:
                self._ask()
            if self.ticks % (12 * self._every_hour) == 0:
                self._reload()

    def look(self) -> Look:
        """What is held now."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        daemon = self.standing.daemon
        stored = daemon.history.storage()
        listed = daemon.incidents.listed(everything=False, most=10**6)
        return Look(
            day=self.ticks * self.standing.settings.interval / DAY,
            resident_mib=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            blocks=sys.getallocatedblocks(),
            incidents=len(listed.incidents),
            files=len(list(Path("/proc/self/fd").iterdir())),
            threads=threading.active_count(),
            used=stored.used,
            foreseen=stored.expected,
        )

    def _ask(self) -> None:
        """Ask what pages and services ask."""
        daemon, end = self.standing.daemon, self.standing.clock.at
        guests = list(self.standing.host.inventory().values())
        for guest in guests[:: len(guests) // 3 or 1]:
            daemon.history.timeline(guest.id, None, end - DAY, end, 500)
            daemon.history.timeline(guest.id, "cpu.usage", end - DAY, end, 500)
        asker = Asker("storage", "authzen")
        questions = [
            Question("guest", guest.id, action, "volume", disk.identity)
            for guest in guests[:20]
            for disk in guest.disks
            for action in ("write", "destroy")
        ]
        asyncio.run(self._decide(asker, questions))

    async def _decide(self, asker: Asker, questions: Sequence[Question]) -> None:
        await self.standing.daemon.access.point.decide_all(asker, questions)

    def _reload(self) -> None:
        """Load the policy with another number in it."""
        self.reloads += 1
        rise = "0.05/h" if self.reloads % 2 else "0.06/h"
        self._policy.write_text(self._text.replace("rise: 0.05/h", f"rise: {rise}"), "utf-8")
        self.standing.daemon.reload()


def grown(looks: Sequence[Look]) -> list[str]:
    """What grew that must not have, from a third of the way to the end; empty where nothing."""
    first, last = looks[len(looks) // 3], looks[-1]
    found = []
    if last.resident_mib > first.resident_mib * (1 + SPARE_SHARE) + SPARE_MIB:
        found.append(f"memory: {first.resident_mib:.1f} to {last.resident_mib:.1f} MiB")
    records = RECORD_BLOCKS * max(0, last.incidents - first.incidents)
    if last.blocks > first.blocks * (1 + SPARE_BLOCKS) + records:
        found.append(f"objects: {first.blocks} to {last.blocks}")
    if last.files > first.files:
        found.append(f"open files: {first.files} to {last.files}")
    if last.threads > first.threads:
        found.append(f"threads: {first.threads} to {last.threads}")
    if last.foreseen is not None and last.used > last.foreseen:
        found.append(f"repository: {last.used} bytes, and {last.foreseen:.0f} were foreseen")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=MONTH)
    parser.add_argument("--guests", type=int, default=300)
    parser.add_argument("--interval", type=float, default=240.0, help="seconds between two ticks")
    asked = parser.parse_args()
    began, spent = time.monotonic(), time.process_time()
    clock = Clock()
    with tempfile.TemporaryDirectory() as directory, clock.in_force():
        soak = Soak(asked.guests, Path(directory), clock, asked.interval)
        looks = [soak.look()]
        steps = max(6, round(asked.days))
        for _ in range(steps):
            soak.run(asked.days / steps)
            looks.append(soak.look())
            print(looks[-1], flush=True)
        verdict = soak.standing.daemon.auditing.verify()
        soak.standing.close()
    problems = [*grown(looks), *(each.what for each in verdict.faults)]
    first, last = looks[len(looks) // 3], looks[-1]
    write(
        "soak",
        {
            "days": asked.days,
            "guests": asked.guests,
            "tick_interval_s": asked.interval,
            "ticks": soak.ticks,
            "policy_reloads": soak.reloads,
            **soak.churn.counts,
            "wall_s": time.monotonic() - began,
            "cpu_s": time.process_time() - spent,
            "resident_first_third_mib": first.resident_mib,
            "resident_end_mib": last.resident_mib,
            "open_incidents_first_third": first.incidents,
            "open_incidents_end": last.incidents,
            "objects_first_third": first.blocks,
            "objects_end": last.blocks,
            "open_files_first_third": first.files,
            "open_files_end": last.files,
            "threads_first_third": first.threads,
            "threads_end": last.threads,
            "repository_end_mib": last.used / 2**20,
            "repository_foreseen_mib": (last.foreseen or 0.0) / 2**20,
            "audit_records": verdict.records,
            "audit_faults": len(verdict.faults),
            "problems": len(problems),
        },
    )
    for problem in problems:
        print(f"grew or broke: {problem}", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
