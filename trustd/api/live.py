"""What is served at the moment: one snapshot, swapped whole."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus

from trustd.api.changes import compare
from trustd.api.matrix import Matrix
from trustd.api.problems import RequestProblem
from trustd.api.readiness import readiness
from trustd.api.shapes import Readiness
from trustd.api.stream import Hub
from trustd.metrics import Meters, MetricsPage
from trustd.model import FeatureSpec, Fleet


class Live:
    """The last tick, for every reader at once. Belongs to the loop.

    Args:
        features: every feature that a guest may have, for their units.
        meters: where the API counts its answers and readers.
        version: of the daemon.
        on_stop: what becomes of narrowed guests when it stops.
        clock: seconds on a clock that never steps.
    """

    def __init__(
        self,
        features: Sequence[FeatureSpec],
        meters: Meters,
        *,
        version: str,
        on_stop: str = "keep",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.features = {feature.name: feature for feature in features}
        self.meters = meters
        self.version = version
        self.on_stop = on_stop
        self.run = secrets.token_hex(4)
        self.hub = Hub(self.run, meters)
        self.matrix = Matrix()
        self.begun = asyncio.Event()
        self._clock = clock
        self._fleet: Fleet | None = None
        self._page: MetricsPage | None = None
        self._published = clock()

    def publish(self, fleet: Fleet, page: MetricsPage) -> None:
        """Serve this tick from now on and tell the event streams what it changed.

        To be called on the loop; from another thread by ``call_soon_threadsafe``.
        """
        event = compare(self._fleet, fleet)
        self._fleet, self._page, self._published = fleet, page, self._clock()
        self.matrix.note(fleet)
        self.hub.publish(event)
        self.begun.set()

    @property
    def fleet(self) -> Fleet:
        """The last tick.

        Raises:
            RequestProblem: there was none yet.
        """
        if self._fleet is None:
            raise _too_early()
        return self._fleet

    @property
    def page(self) -> MetricsPage:
        """The last tick's page of metrics.

        Raises:
            RequestProblem: there was none yet.
        """
        if self._page is None:
            raise _too_early()
        return self._page

    @property
    def age(self) -> float:
        """Seconds since the last tick was published, or since the start."""
        return self._clock() - self._published

    def readiness(self, *, local: bool = False) -> Readiness:
        """Whether what is served can be relied upon now.

        Args:
            local: whether it is for somebody at the unix socket.
        """
        return readiness(self._fleet, self.age, local=local)


def _too_early() -> RequestProblem:
    return RequestProblem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no tick has been carried out yet: ask again in a moment",
        {"Retry-After": "1"},
    )
