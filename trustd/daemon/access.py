"""The access half, wired: the decision point, what it decides by, and what feeds it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from trustd.config import Record, Settings
from trustd.daemon.source import Loaded, Source
from trustd.decisions import Callers, DecisionPoint, Desk, Recorder, World
from trustd.decisions.desk import PeerOf
from trustd.decisions.point import Clocks
from trustd.decisions.world import Directory
from trustd.metrics import Meters
from trustd.model import Fleet
from trustd.pipeline import Narrowing, Registry
from trustd.policy.terms import GUEST
from trustd.repository import Database, LabelStore, LastGood, RulingLog, WallHistory


def boot_clock() -> float:
    """Seconds on the clock that readings carry beside the time of day."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Stores:
    """What the access half keeps on disk."""

    walls: WallHistory
    rulings: RulingLog
    labels: LabelStore
    policy: LastGood

    @classmethod
    def of(cls, database: Database, settings: Settings) -> Stores:
        """All of them in one file."""
        return cls(
            WallHistory(database),
            RulingLog(database, settings.decisions.keep),
            LabelStore(database),
            LastGood(database),
        )


class Access:
    """Publishes every tick to the decision point, and takes over policies and labels.

    All but :meth:`labels_changed` is called from the line's thread.

    Raises:
        StoreError: the repository cannot be read.
    """

    def __init__(
        self, settings: Settings, source: Source, loaded: Loaded, stores: Stores, meters: Meters
    ) -> None:
        self.source = source
        self.stores = stores
        self.loaded = loaded
        self.registry = Registry.of(loaded.policy, loaded.registry, stores.labels.all())
        self.recorder = Recorder(
            stores.rulings,
            lambda dialect, reason, n: meters.decisions.labels(dialect, reason).inc(n),
            everything=settings.decisions.record is Record.ALL,
        )
        self._settings = settings
        self._directory = Directory(loaded.policy, self.registry)
        self._relabel = threading.Event()
        self.point = DecisionPoint(
            World.empty(self._directory),
            stores.walls,
            self.recorder,
            Clocks(time.time, boot_clock),
            deadline=settings.decisions.deadline,
        )

    def desk(self, peer_of: PeerOf) -> Desk:
        """Where other services ask."""
        decisions = self._settings.decisions
        return Desk(self.point, Callers(decisions), peer_of, decisions.deadline, decisions.url)

    def publish(self, fleet: Fleet, narrowing: Narrowing, *, clock: float) -> None:
        """Decide by this tick from now on.

        Args:
            clock: seconds of the boot clock at the tick.
        """
        # the line adopts a policy and its labels together: what it goes by is one pair
        directory = self._directory
        current = directory.policy is narrowing.policy
        if not current or directory.registry is not narrowing.registry:
            directory = self._directory = Directory(narrowing.policy, narrowing.registry)
        world = World.of(
            directory,
            narrowing.world(),
            fleet.guests,
            clock=clock,
            interval=fleet.interval,
        )
        self.point.publish(world)
        if world.policy.walls:
            narrowing.wall(world.occupied, lambda guest: self.point.history(GUEST, guest))

    def adopt(self, loaded: Loaded, *, at: float) -> Registry:
        """Take over a policy that is good; its labels."""
        self.loaded = loaded
        self.registry = Registry.of(loaded.policy, loaded.registry, self.stores.labels.all())
        self.source.keep(loaded, self.stores.policy, at=at)
        return self.registry

    def refuse(self, error: str) -> None:
        """Note why a newer policy was not taken."""
        self.loaded = replace(self.loaded, error=error)

    def labels_changed(self) -> None:
        """Have the next tick go by the labels in the repository; from any thread."""
        self._relabel.set()

    def relabelled(self) -> Registry | None:
        """The labels in force where they changed since the last call, else None."""
        if not self._relabel.is_set():
            return None
        self._relabel.clear()
        self.registry = Registry.of(
            self.loaded.policy, self.loaded.registry, self.stores.labels.all()
        )
        return self.registry
