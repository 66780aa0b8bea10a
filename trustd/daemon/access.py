"""The access half, wired: the decision point, what it decides by, and what feeds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import structlog
from aiohttp import web

from trustd.api.pace import REGISTRAR
from trustd.config import Record, Settings
from trustd.daemon.source import Loaded, Source
from trustd.decisions import Callers, DecisionPoint, Desk, Recorder, World
from trustd.decisions.desk import PeerOf, tokens
from trustd.decisions.point import Clocks
from trustd.decisions.world import Directory
from trustd.errors import StoreError
from trustd.metrics import Meters
from trustd.model import Fleet, GuestId, KnownObject, WallBreach
from trustd.pipeline import Chronicle, Narrowing, Registry
from trustd.policy.terms import GUEST
from trustd.repository import (
    RUN,
    Database,
    Entry,
    Journal,
    Kin,
    LabelStore,
    LastGood,
    Past,
    PolicyVersion,
    PolicyVersions,
    RulingLog,
    WallHistory,
)

log = structlog.get_logger()


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
    versions: PolicyVersions
    journal: Journal
    past: Past

    @classmethod
    def of(cls, database: Database, settings: Settings) -> Stores:
        """All of them in one file."""
        return cls(
            WallHistory(database),
            RulingLog(database, settings.decisions.keep),
            LabelStore(database),
            LastGood(database),
            PolicyVersions(database),
            Journal(database),
            Past(database),
        )


class Access:
    """Publishes every tick to the decision point, and takes over policies and labels.

    All but :meth:`labels_changed` is called from the line's thread.

    Args:
        objects: gives the objects of the host; the same value while they do not change.

    Raises:
        StoreError: the repository cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        loaded: Loaded,
        stores: Stores,
        meters: Meters,
        *,
        objects: Callable[[], Sequence[KnownObject]] = tuple,
    ) -> None:
        self.source = source
        self.stores = stores
        self.loaded = loaded
        self._objects = objects
        self._known = objects()
        self.registry = self._labels(loaded)
        self.recorder = Recorder(
            stores.rulings,
            lambda dialect, reason, n: meters.decisions.labels(dialect, reason).inc(n),
            everything=settings.decisions.record is Record.ALL,
        )
        self.breaches: tuple[WallBreach, ...] = ()
        self._settings = settings
        self._callers = Callers(settings.decisions)
        self._begin(time.time())
        self._chronicle = Chronicle(stores.past.objects(time.time()))
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
        return Desk(self.point, self._callers, peer_of, decisions.deadline, decisions.url)

    def mount(self, app: web.Application) -> None:
        """Let an application tell the registered callers by their tokens."""
        app[REGISTRAR] = self

    def caller(self, request: web.Request) -> str | None:
        """The caller whose token a request shows; None where it shows none that is known."""
        return self._callers.named(tokens(request))

    def publish(self, fleet: Fleet, narrowing: Narrowing, *, clock: float) -> tuple[Entry, ...]:
        """Decide by this tick from now on; what is to be journalled of that.

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
        if fleet.breaches != self.breaches:
            for each in set(fleet.breaches) - set(self.breaches):
                log.error("a guest runs against a wall", **asdict(each))
            self.breaches = fleet.breaches
        return self._chronicle.of(world.guests, world.trust, directory.registry, at=fleet.at)

    def inherit(self, kin: Sequence[Kin]) -> None:
        """Bind heirs by what their forebears are bound to; the repository does the same."""
        for each in kin:
            self.point.inherit(GUEST, each.heir, each.forebear)

    def adopt(self, loaded: Loaded, *, at: float) -> Registry:
        """Take over a policy that is good; its labels."""
        registry = self._labels(loaded)
        self.loaded, self.registry = loaded, registry
        self.source.keep(loaded, self.stores.policy, at=at)
        self._version(at)
        return self.registry

    def _begin(self, at: float) -> None:
        """Journal that this run began, and when the last sign was of the one before it."""
        document = {"heard": self.stores.past.heard(), "policy": self.loaded.policy.id}
        self.stores.journal.append([Entry(at, GuestId(""), "", RUN, document)])
        self._version(at)

    def _version(self, at: float) -> None:
        loaded = self.loaded
        path = str(self.source.path)
        self.stores.versions.enter(PolicyVersion(loaded.policy.id, at, path, loaded.text))

    def refuse(self, error: str) -> None:
        """Note why a newer policy was not taken."""
        self.loaded = replace(self.loaded, error=error)

    def labels_changed(self) -> None:
        """Have the next tick go by the labels in the repository; from any thread."""
        self._relabel.set()

    def relabelled(self) -> Registry | None:
        """The labels in force where they changed since the last call, else None."""
        before, known = self._known, self._objects()
        if known is before and not self._relabel.is_set():
            return None
        # before the file is read: a change from now on is another one
        self._relabel.clear()
        self._known = known
        try:
            self.registry = self._labels(self.loaded)
        except StoreError as error:
            # the tick goes on with the labels that it has, and the next one tries again
            self._known = before
            self._relabel.set()
            log.error("labels cannot be read", error=str(error))  # noqa: TRY400 - the disk's mistake
            return None
        return self.registry

    def _labels(self, loaded: Loaded) -> Registry:
        return Registry.of(loaded.policy, loaded.registry, self.stores.labels.all(), self._known)
