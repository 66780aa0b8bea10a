"""Incidents, between the API and the line's thread."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from math import inf

from aiohttp import web

from trustd.api import incident_shapes as shapes
from trustd.api import incident_views as views
from trustd.api.incidents import INCIDENTS
from trustd.api.peer import Peer
from trustd.daemon.author import author_of
from trustd.daemon.between import Between
from trustd.metrics.incidents import IncidentMeters
from trustd.model import Fleet
from trustd.model.incident import Conclusion, Incident
from trustd.pipeline.incidents import Act, Incidents, NoSuchIncident
from trustd.policy import Policy
from trustd.repository import IncidentStore, RulingLog

MOST_LINES = 500
"""Of the journal in one timeline."""
MOST_RULINGS = 2000
"""Answers to others that are looked through for one incident."""


class Handling:
    """Follows the fleet, and lets people handle what comes of it.

    Args:
        bands: of the policy in force, best first.

    Raises:
        StoreError: the incidents of an earlier run cannot be read.
    """

    def __init__(
        self,
        store: IncidentStore,
        rulings: RulingLog,
        between: Between,
        meters: IncidentMeters,
        bands: Callable[[], Sequence[str]],
    ) -> None:
        self._store = store
        self._rulings = rulings
        self._between = between
        self._meters = meters
        self._bands = bands
        self._incidents = Incidents(store)

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[INCIDENTS] = self

    def step(self, fleet: Fleet, policy: Policy) -> None:
        """Take in one tick; on the line's thread."""
        self._incidents.step(fleet, policy)
        now = [each for each in self._incidents.standing.values() if each.open]
        self._meters.observe(
            Counter(str(each.severity) for each in now),
            sum(each.overdue(fleet.at) for each in now),
        )

    def close(self) -> None:
        """Have everything written."""
        self._incidents.close()

    async def listed(self, *, everything: bool, most: int) -> shapes.IncidentList:
        """Those that are open, or the last ones."""
        now = time.time()
        found = self._incidents.standing
        if everything:
            stored = await asyncio.to_thread(self._store.newest, most)
            # what is in memory may not be on the disk yet
            found = {**{each.number: each for each in stored}, **found}
        shown = [each for each in found.values() if everything or each.open]
        shown.sort(key=lambda each: -each.number)
        return shapes.IncidentList(now, [views.summary(each, now) for each in shown[:most]])

    async def shown(self, number: int) -> shapes.IncidentDoc:
        """One of them."""
        return await asyncio.to_thread(self._shown, self._incidents.standing.get(number), number)

    async def act(
        self, number: int, asked: shapes.IncidentRequest, peer: Peer
    ) -> shapes.IncidentDoc:
        """Do what somebody asks."""
        act = Act(
            number,
            asked.act,
            await author_of(peer),
            time.time(),
            asked.text,
            None if asked.conclusion is None else Conclusion(asked.conclusion),
        )
        after = await self._between.do(lambda: self._incidents.act(act))
        return await asyncio.to_thread(self._shown, after, number)

    def _shown(self, known: Incident | None, number: int) -> shapes.IncidentDoc:
        incident = known or self._store.get(number)
        if incident is None:
            raise NoSuchIncident(f"there is no incident {number}")
        until = inf if incident.resolved is None else incident.resolved
        entries = self._store.journal(incident.guest, incident.opened, until, MOST_LINES + 1)
        rulings = (
            self._rulings.last(subject=incident.guest, most=MOST_RULINGS) if incident.guest else ()
        )
        return views.full(
            incident,
            entries[:MOST_LINES],
            [each for each in rulings if incident.opened <= each.at <= until],
            self._bands(),
            now=time.time(),
            left_out=len(entries) > MOST_LINES,
        )
