"""From the first sample of a misbehaviour to the effect that the guest itself feels.

The whole daemon on real guests, one for each lever. Every guest misbehaves in the same way (it
writes too much), at a random moment between two ticks, and loses for it what its lever takes.
Three times are taken of each trial: when the first sample over the envelope was taken, when
trustd told that the lever is in force (asked twenty times a second), and since when the guest felt
it, asked from inside.

    python -m bench.reaction [TRIALS_OF_EACH_LEVER]
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from bench.alone import alone
from bench.felt import INTERFACE, LEVERS, since
from bench.processor import busy, load
from bench.results import write
from tests.lab.daemon import Daemon
from tests.lab.errors import LabError
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until

POLICY = Path(__file__).with_name("reaction.yaml")
INTERVAL = 1.0
GOAL = 2 * INTERVAL + 0.1
"""Seconds from the first sample over the envelope until the narrowing is in force."""
ENVELOPE = 256 * 1024
WRITES, BLOCK = 640_000, 8192
"""Bytes a second of a guest that misbehaves, in requests of so many."""
SLOWEST = 30.0
PATIENCE = 120.0
MOST_SECONDS = 500.0
"""After which a lever is not tried once more."""
AT_ONCE = 4
"""Levers that are tried side by side: more would wait for processors, not for trustd."""
QUARANTINE = (
    "<network><name>reaction-closed</name><bridge name='reaction-q' stp='off' delay='0'/></network>"
)
LOOK = 0.05
"""Seconds between two looks at what trustd says of a guest."""
IN_FORCE = frozenset({"applied", "held"})


@dataclass(frozen=True)
class Trial:
    """What happened when, in epoch seconds and in ticks; what did not come about is infinite."""

    began: float
    sampled: float
    told: float
    felt: float
    ticks: int

    @property
    def late(self) -> float:
        """Seconds from the first sample until it was both told and felt."""
        return max(self.told, self.felt) - self.sampled


class Reaction:
    """Trials of one lever on one guest."""

    def __init__(self, daemon: Daemon, guest: Guest, lever: str) -> None:
        self._daemon = daemon
        self._guest = guest
        self._lever = lever
        self._random = random.Random(lever)  # noqa: S311 - moments, not secrets

    def run(self, most: int) -> list[Trial]:
        """Try as often as that, or for as long as a lever may take."""
        trials: list[Trial] = []
        until = time.monotonic() + MOST_SECONDS
        while len(trials) < most and time.monotonic() < until:
            self._restored()
            time.sleep(self._random.uniform(0.0, INTERVAL))
            if (trial := self._trial()) is not None:
                trials.append(trial)
        self._restored()
        return trials

    def _trial(self) -> Trial | None:
        """One trial; None where the guest was too starved to write as much as it was told."""
        feels = LEVERS[self._lever](self._guest)
        began = time.time()
        self._guest.write(WRITES, block=BLOCK)
        with ThreadPoolExecutor(1) as beside:
            following = beside.submit(self._follow)
            try:
                felt = since(feels, following.done, seconds=SLOWEST)
            except LabError:
                felt = inf
            sampled, told, ticks = following.result()
        return None if sampled == inf else Trial(began, sampled, told, felt, ticks)

    def _follow(self) -> tuple[float, float, int]:
        """The first sample over the envelope, when the lever was told, and ticks between."""
        first: dict[str, Any] = {}
        end = time.monotonic() + SLOWEST
        while time.monotonic() < end:
            now = self._daemon.guest(self._guest.name)
            wrote = now["samples"]["disk.write.bytes"]["value"] or 0.0
            acted = any(
                each["lever"] == self._lever and each["status"] in IN_FORCE
                for each in now["actions"]
            )
            if not first and (acted or wrote > ENVELOPE):
                first = now
            if acted:
                return first["at"], time.time(), now["tick"] - first["tick"]
            time.sleep(LOOK)
        return first.get("at", inf), inf, 0

    def _restored(self) -> None:
        """The guest is quiet, trusted, and has everything back."""
        released = self._lever == "pause" and self._released()
        self._guest.wait_ready(seconds=PATIENCE)
        self._guest.quiet()

        def trusted() -> bool:
            now = self._daemon.guest(self._guest.name)
            band = now["automatic"] if released else now["band"]
            time.sleep(LOOK)
            return bool(now["freshness"] == "fresh" and band == "trusted" and not now["actions"])

        self._daemon.wait(trusted, f"{self._guest.name} is trusted", seconds=PATIENCE)
        if released:
            self._order("override", "--clear")
        if self._lever in ("nic-filter", "quarantine"):
            wait_until(self._guest.reaches, "it is answered again", seconds=PATIENCE)
        if self._lever == "unplug":
            wait_until(
                lambda: INTERFACE in self._guest.devices(), "it has its interface", seconds=PATIENCE
            )

    def _released(self) -> bool:
        """Whether it had to be let go by a person's word, as a paused guest has."""
        if not self._daemon.guest(self._guest.name)["actions"]:
            return False
        self._order("release", "--for", "5m")
        return True

    def _order(self, order: str, *options: str) -> None:
        self._daemon.trustctl(order, self._guest.name, *options, "--reason", "the next trial")


def _gated(daemon: Daemon, guest: Guest) -> None:
    """Put its disk behind a gate, which it must be off for."""
    daemon.wait_guest(guest.name, lambda now: now["state"] == "running", "runs")
    guest.destroy()
    daemon.wait_guest(guest.name, lambda now: now["state"] == "shutoff", "is off")
    daemon.trustctl("gate", "add", guest.name, "vda")
    guest.start()
    guest.wait_ready(seconds=PATIENCE)


def figures_of(trials: Mapping[str, Sequence[Trial]]) -> dict[str, float | int | str]:
    """Milliseconds by lever and over all: median, the slowest of twenty, and the slowest.

    >>> soon = Trial(began=0.0, sampled=0.5, told=0.75, felt=1.0, ticks=0)
    >>> late = Trial(began=0.0, sampled=0.5, told=4.0, felt=1.0, ticks=3)
    >>> missed = Trial(began=0.0, sampled=0.5, told=0.75, felt=inf, ticks=0)
    >>> found = figures_of({"nic-link": [soon, missed], "pause": [late]})
    >>> found["nic_link_sample_to_felt_ms_median"], found["nic_link_missed"]
    (500.0, 1)
    >>> found["all_sample_to_told_ms_max"], found["all_ticks_max"]
    (3500.0, 3)
    >>> round(found["all_within_goal_ratio"], 2), round(found["all_in_its_own_tick_ratio"], 2)
    (0.33, 0.67)
    """
    everything = [trial for each in trials.values() for trial in each]
    figures: dict[str, float | int | str] = {}
    for lever, some in (*trials.items(), ("all", everything)):
        name = lever.replace("-", "_")
        figures[f"{name}_trials"] = len(some)
        if not some:
            continue
        came = [each for each in some if each.late < inf]
        figures[f"{name}_missed"] = len(some) - len(came)
        for step, took in (
            ("sample_to_told", [each.told - each.sampled for each in came]),
            ("sample_to_felt", [each.felt - each.sampled for each in came]),
            ("begin_to_felt", [each.felt - each.began for each in came]),
        ):
            if not took:
                continue
            ordered = sorted(took)
            figures[f"{name}_{step}_ms_median"] = 1e3 * median(took)
            figures[f"{name}_{step}_ms_p95"] = 1e3 * ordered[round(0.95 * (len(took) - 1))]
            figures[f"{name}_{step}_ms_max"] = 1e3 * ordered[-1]
        in_time = sum(each.late <= GOAL for each in some)
        figures[f"{name}_within_goal_ratio"] = in_time / len(some)
        own = sum(each.ticks == 0 and each.told < inf for each in some)
        figures[f"{name}_in_its_own_tick_ratio"] = own / len(some)
        figures[f"{name}_ticks_max"] = max(each.ticks for each in some)
    return figures


def main() -> int:
    """Try every lever on a guest of its own, side by side."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    policy = POLICY.read_text("utf-8")
    specs = [GuestSpec(lever, labels={"app": lever}) for lever in LEVERS]
    with alone(), Hypervisor("reaction") as hypervisor:
        with hypervisor.connection() as connection:
            connection.networkDefineXML(QUARANTINE).create()
        guests = hypervisor.start(*specs, seconds=300)
        with Daemon(hypervisor, policy, interval=f"{INTERVAL:g}s") as daemon:
            _gated(daemon, next(each for each in guests if each.name == "disk-gate"))
            processors = busy()
            with ThreadPoolExecutor(AT_ONCE) as side_by_side:
                running = {
                    guest.name: side_by_side.submit(Reaction(daemon, guest, guest.name).run, most)
                    for guest in guests
                }
            trials = {lever: each.result() for lever, each in running.items()}
            beside = {"busy_processors": processors(), "load_at_the_end": load()}
            daemon.stop()
    write("reaction", {"interval_s": INTERVAL, "goal_s": GOAL, **figures_of(trials), **beside})
    return 0


if __name__ == "__main__":
    sys.exit(main())
