"""A whole daemon over made-up guests, whose time passes as fast as it works."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench.clock import Clock
from bench.host import Host
from trustd.config import Settings
from trustd.daemon import interpreter
from trustd.daemon.build import build
from trustd.daemon.history import STORE_SECONDS, UPKEEP_SECONDS
from trustd.metrics import MetricsPage
from trustd.model import Fleet

POLICY = Path(__file__).parents[1] / "policies/default.yaml"


@dataclass(slots=True)
class _Job:
    """What a part of the daemon does every so many seconds."""

    part: object
    name: str
    every: float
    last: float


class Standing:
    """The daemon with everything that it does in a tick and between two, called in turn.

    Only the processes of emulators are not looked at, for there are none.

    Args:
        state: the directory of its repository.
        clock: in force already.
        upkeep: seconds between two runs of the retention.
        other: settings that are not the usual ones.
    """

    def __init__(
        self,
        guests: int,
        state: Path,
        clock: Clock,
        *,
        upkeep: float = UPKEEP_SECONDS,
        **other: object,
    ) -> None:
        self.clock, self.host = clock, Host(clock, guests)
        self.settings = Settings.model_validate(
            {
                "policy": str(POLICY),
                "state": str(state),
                "collectors": {"disabled": ["emulator"]},
                "listen": {"enabled": False},
                **other,
            }
        )
        self.daemon = build(self.settings, self.host)
        interpreter.prepare()
        history, settings = self.daemon.history, self.settings
        # asked for by name each time, so that it can be measured
        self._due = [
            _Job(history, "store", STORE_SECONDS, clock.boot),
            _Job(history, "upkeep", upkeep, clock.boot),
            _Job(self.daemon, "save", settings.save, clock.boot),
            _Job(self.daemon.auditing, "anchor", settings.audit.every, clock.boot),
        ]
        self.fleet: Fleet | None = None
        self.page: MetricsPage | None = None

    def tick(self) -> float:
        """One tick, from the hypervisor's reply to what is served, and what is due beside it.

        Returns:
            Seconds of processor time, of all threads.
        """
        self.clock.pass_by(self.settings.interval)
        self.host.prepare()
        began = time.process_time()
        self.fleet = self.daemon.tick()
        self.page = self.daemon.page(self.fleet)
        self.daemon.live.publish(self.fleet, self.page)
        for job in self._due:
            if self.clock.boot - job.last >= job.every:
                job.last = self.clock.boot
                getattr(job.part, job.name)()
        # what the writer's thread does for this tick is part of it
        self.daemon.database.submit(lambda _: None).result()
        return time.process_time() - began

    def close(self) -> None:
        """End it as the daemon ends."""
        self.daemon.close()
