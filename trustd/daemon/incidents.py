"""Incidents, between the API and the line's thread."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import inf

from aiohttp import web

from trustd.api import incident_shapes as shapes
from trustd.api import incident_views as views
from trustd.api.incidents import INCIDENTS
from trustd.api.peer import Peer
from trustd.daemon.announcing import of_incidents
from trustd.daemon.author import author_of
from trustd.daemon.between import Between
from trustd.metrics.incidents import IncidentMeters
from trustd.model import Fleet, GuestId, Notice
from trustd.model.incident import Conclusion, Incident, Mark
from trustd.pipeline.incidents import Act, Incidents, NoSuchIncident
from trustd.policy import Policy
from trustd.repository import IncidentStore, RulingLog

Listener = Callable[[shapes.IncidentEvents], None]
Past = Callable[[GuestId, float, float], Sequence[shapes.StretchDoc]]

AROUND = 0.25, 600.0
"""Of the guest's history, before and after an incident: this part of its time, and so many seconds
at least."""

MOST_EVENTS = 100
"""Of what becomes of incidents at once, in one message of the stream."""
MOST_LINES = 500
"""Of the journal in one timeline."""
MOST_RULINGS = 2000
"""Answers to others that are looked through for one incident."""


class Handling:
    """Follows the fleet, and lets people handle what comes of it.

    Args:
        bands: of the policy in force, best first.
        past: gives a guest's timeline from one time to another (epoch seconds); it blocks.

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
        *,
        past: Past = lambda *_: (),
    ) -> None:
        self._store = store
        self._rulings = rulings
        self._between = between
        self._meters = meters
        self._bands = bands
        self._past = past
        self._listener: Listener | None = None
        self._news: list[shapes.IncidentEvent] = []
        self._incidents = Incidents(store, self._note)

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[INCIDENTS] = self

    def listen(self, listener: Listener) -> None:
        """Have somebody told, on the line's thread, whatever becomes of an incident."""
        self._listener = listener

    def _note(self, incident: Incident, mark: Mark) -> None:
        self._news.append(views.event(incident, mark))

    def _tell(self) -> None:
        news, self._news = self._news, []
        if news and self._listener is not None:
            left_out = max(0, len(news) - MOST_EVENTS)
            self._listener(shapes.IncidentEvents(news[:MOST_EVENTS], left_out))

    def step(self, fleet: Fleet, policy: Policy) -> None:
        """Take in one tick; on the line's thread."""
        self._incidents.step(fleet, policy)
        self._tell()
        now = [each for each in self._incidents.standing.values() if each.open]
        self._meters.observe(
            Counter(str(each.severity) for each in now),
            sum(each.overdue(fleet.at) for each in now),
        )

    def notices(self, fleet: Fleet) -> Iterable[Notice]:
        """What a person should hear of; from any thread."""
        return of_incidents(self._incidents.standing.values(), fleet)

    def close(self) -> None:
        """Have everything written."""
        self._incidents.close()

    def listed(self, *, everything: bool, most: int) -> shapes.IncidentList:
        """Those that are open, or the last ones; blocks."""
        now = time.time()
        found = self._incidents.standing
        if everything:
            stored = self._store.newest(most)
            # what is in memory may not be on the disk yet
            found = {**{each.number: each for each in stored}, **found}
        shown = [each for each in found.values() if everything or each.open]
        shown.sort(key=lambda each: -each.number)
        return shapes.IncidentList(now, [views.summary(each, now) for each in shown[:most]])

    def waiting(self) -> int:
        """How many nobody has resolved yet."""
        return sum(each.open for each in self._incidents.standing.values())

    def shown(self, number: int) -> shapes.IncidentDoc:
        """One of them; blocks."""
        return self._shown(self._incidents.standing.get(number), number)

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
            asked.dry_run,
        )
        after = await self._between.do(lambda: self._act(act))
        return await asyncio.to_thread(self._shown, after, number)

    def _act(self, act: Act) -> Incident:
        after = self._incidents.act(act)
        self._tell()  # of a dry run there is nothing to tell
        return after

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
            history=self._history(incident),
        )

    def _history(self, incident: Incident) -> Sequence[shapes.StretchDoc]:
        """The guest's trust around the time of its incident; nothing where that is not kept."""
        if not incident.guest:
            return ()
        now = time.time()
        end = now if incident.resolved is None else incident.resolved
        part, least = AROUND
        around = max(part * (end - incident.opened), least)
        return self._past(incident.guest, incident.opened - around, min(end + around, now))
