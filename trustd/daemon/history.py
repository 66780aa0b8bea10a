"""The history of guests: taken in at every tick, kept within its bounds, read for the API."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from math import isfinite

import numpy as np
import structlog
from aiohttp import web

from trustd.api.history import HISTORIAN
from trustd.api.history_shapes import KindDoc, StorageDoc, TimelineDoc
from trustd.api.incident_shapes import StretchDoc
from trustd.api.incident_views import stretches
from trustd.config import Settings
from trustd.daemon.access import boot_clock
from trustd.errors import StoreError
from trustd.metrics import Meters
from trustd.model import FeatureSpec, Fleet, GuestId
from trustd.pipeline import Remembering
from trustd.repository import Asked, Database, Points, Timelines, Values
from trustd.repository.retention import KINDS, Bounds, Retention
from trustd.repository.storage import Storage, measured

log = structlog.get_logger()

STORE_SECONDS = 5.0
"""Between two looks for stretches that are complete."""
UPKEEP_SECONDS = 60.0
"""Between two runs of the retention."""
PLOTTED = 300
"""Points of a plot."""
_DIGITS = 6


class History:
    """Keeps and reads it.

    Args:
        features: in the order in which they are measured.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        features: Sequence[FeatureSpec],
        meters: Meters,
    ) -> None:
        kept, records = settings.storage, settings.retention
        self._bounds = Bounds(
            (kept.raw, kept.minutes, kept.hours),
            records.audit,
            records.guests,
            kept.most,
            records.incidents,
            records.notices,
            records.evidence,
            frozenset(each.name for each in settings.notify.receivers),
        )
        self._database = database
        self._interval = settings.interval
        self._units = {feature.name: str(feature.unit) for feature in features}
        self._timelines = Timelines(database)
        self._remembering = Remembering(self._timelines, features)
        self._retention = Retention(database, self._bounds, clock=time.time, steady=boot_clock)
        self._meters = meters
        self._guests = 0
        self._shortened = False
        self._ahead = 0.0
        self._failing = False

    def note(self, fleet: Fleet) -> None:
        """Take in one tick; on the line's thread."""
        self._guests = len(fleet.guests)
        self._remembering.note(fleet)

    def store(self) -> None:
        """Store what is complete, or the next time; on a thread that may wait."""
        self._tried(self._remembering.store)

    def upkeep(self) -> None:
        """Roll up and drop what is due, or the next time; on a thread that may wait."""
        self._tried(self._kept)

    def halt(self) -> None:
        """Have what is dropped and rolled up wait for the next start; from any thread."""
        self._retention.halt()

    def _tried(self, work: Callable[[], None]) -> None:
        """Do something with a store that may fail; that is told once until it recovers."""
        try:
            work()
        except StoreError as error:
            if not self._failing:
                log.error("history cannot be kept", error=str(error))  # noqa: TRY400 - no mistake of ours
            self._failing = True
        else:
            self._failing = False

    def _kept(self) -> None:
        ran = self._retention.run()
        self._shortened = ran.shortened
        self._ahead = ran.behind
        found = self._measured()
        self._meters.storage(
            {kind.name: kind.bytes for kind in found.kinds}, clock_ahead=ran.behind
        )

    def close(self) -> None:
        """Store what is not stored yet."""
        self._remembering.close()

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[HISTORIAN] = self

    def known(self, guest: GuestId) -> bool:
        """Whether anything is kept of a guest."""
        return self._timelines.known(guest)

    def features(self) -> frozenset[str]:
        """What is measured."""
        return frozenset(self._units)

    def timeline(
        self, guest: GuestId, feature: str | None, since: float, until: float, points: int
    ) -> TimelineDoc:
        """A guest's trust, or one of its features."""
        asked, held = Asked(guest, since, until, points), self._remembering.held(guest)
        if feature is not None:
            found = self._timelines.samples(asked, feature, held)
            return _document(asked, found, feature, self._units[feature])
        line = self._timelines.trust(asked, held)
        return _document(
            asked,
            line.points,
            bands=line.bands,
            uncertainty=_numbers(line.points.mean[1]),
            band=_words(line.points.high[2], line.bands),
            freshness=_words(line.points.high[3], line.freshness),
        )

    def around(self, guest: GuestId, since: float, until: float) -> Sequence[StretchDoc]:
        """A guest's trust between two times, as a plot has it; empty where that cannot be read."""
        try:
            return stretches(self.timeline(guest, None, since, until, PLOTTED))
        except StoreError as error:
            log.error("history cannot be read", guest=guest, error=str(error))  # noqa: TRY400 - the disk's mistake
            return ()

    def storage(self) -> StorageDoc:
        """What everything takes."""
        found = self._measured()
        days = [kind.a_day for kind in found.kinds if kind.name in KINDS]
        known = [each for each in days if each is not None]
        return StorageDoc(
            kinds=[KindDoc(**asdict(kind)) for kind in found.kinds],
            guests=self._guests,
            guest_day=sum(known) if known else None,
            file=found.file,
            used=found.used,
            most=found.most,
            free=found.free,
            expected=found.expected,
            shortened=self._shortened,
            clock_ahead=max(0.0, self._ahead),
            error=self._database.error,
        )

    def _measured(self) -> Storage:
        return measured(self._database, self._bounds, interval=self._interval, guests=self._guests)


def _document(
    asked: Asked,
    points: Points,
    feature: str | None = None,
    unit: str | None = None,
    *,
    bands: Sequence[str] = (),
    uncertainty: Sequence[float | None] = (),
    band: Sequence[str | None] = (),
    freshness: Sequence[str | None] = (),
) -> TimelineDoc:
    """The first column of some points, with what is said beside it."""
    return TimelineDoc(
        guest=asked.guest,
        since=asked.since,
        until=asked.until,
        feature=feature,
        unit=unit,
        bands=bands,
        at=[round(each, 3) for each in points.at.tolist()],
        seconds=[round(each, 3) for each in points.seconds.tolist()],
        ticks=points.ticks.astype(np.int64).tolist(),
        value=_numbers(points.mean[0]),
        lowest=_numbers(points.low[0]),
        highest=_numbers(points.high[0]),
        uncertainty=uncertainty,
        band=band,
        freshness=freshness,
    )


def _numbers(column: Values) -> list[float | None]:
    return [round(each, _DIGITS) if isfinite(each) else None for each in column.tolist()]


def _words(column: Values, words: Sequence[str]) -> list[str | None]:
    return [words[int(each)] if isfinite(each) else None for each in column.tolist()]
