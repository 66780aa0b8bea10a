"""Fleets to look at: made up, the same at every run, with a day behind them."""

from __future__ import annotations

import random
from dataclasses import replace
from math import nan
from typing import Any

from aiohttp import web

from tests.api.fleets import AT, BANDS, assessed, fleet, narrowed
from trustd.api import Live
from trustd.api.access_shapes import DecisionDoc, DecisionList
from trustd.api.feedback import FEEDBACK
from trustd.api.history import HISTORIAN
from trustd.api.history_shapes import StorageDoc, TimelineDoc
from trustd.api.incident_shapes import IncidentList, IncidentSummary
from trustd.api.incidents import INCIDENTS
from trustd.model import (
    Access,
    Assessment,
    Driver,
    Fleet,
    Freshness,
    GuestId,
    GuestState,
    Mode,
    ObjectRef,
    Opinion,
    Outcome,
    OutcomeStatus,
)
from trustd.pipeline import Account, Step
from trustd.trust import Explanation

STEP = 600.0
DAY = 144

_NAMES = ("web", "db", "mail", "build", "cache", "proxy", "git", "queue", "vpn", "auth")
_CAUSES = (
    ("disk.write.requests", "4,100 writes/s, usually below 220; seen once in 9 days"),
    ("net.tx.packets", "61,000 packets/s to 3,400 addresses, usually below 900"),
    ("cpu.steal", "98 % of four CPUs at night, usually below 12 %"),
    ("snapshot-revert", "reverted to a snapshot from before the last finding"),
    ("disk.read.bytes", "310 MB/s over the whole disk, usually below 8 MB/s"),
)

HOSTILE = (
    "<img src=x onerror=window.hit=1><script>window.hit=1</script>",
    "\u202egnp.exe\u202c rtl \u2067isolate",
    "bell\x07 esc\x1b[31m nul line\nbreak tab\t",
    "שרת הדואר الخادم",
    "x" * 250 + "the end",
    "javascript:window.hit=1//${window.hit=1}`'\"</td></table><iframe src=//evil>",
)
"""Names that try to be more than names."""


def made(number: int, at: float = AT) -> Assessment:
    """One guest of a fleet: most are well, a few are not, a few do not answer."""
    dice = random.Random(number)  # noqa: S311 - a fleet to look at
    name = f"{_NAMES[number % len(_NAMES)]}-{number:03d}"
    kind = dice.random() if number > 3 else (0.005, 0.02, 0.045, 0.5)[number]
    since = at - dice.choice((240, 900, 4000, 30_000, 300_000, 900_000))
    if kind < 0.03:
        worst = kind < 0.01
        cause, text = _CAUSES[number % len(_CAUSES)]
        other, more = _CAUSES[(number + 1) % len(_CAUSES)]
        bad = narrowed(
            name,
            number,
            trust=dice.uniform(0.03, 0.12) if worst else dice.uniform(0.2, 0.42),
            opinion=_opinion(dice.uniform(0.04, 0.2)),
            since=since,
            drivers=(Driver(cause, 0.72, text), Driver(other, 0.28, more)),
        )
        band = "isolated" if worst else "restricted"
        return replace(
            bad,
            permissions=replace(bad.permissions, band=band),
            findings=tuple(replace(each, at=since) for each in bad.findings),
            outcomes=tuple(replace(each, at=since + 0.2) for each in bad.outcomes),
        )
    if kind < 0.07:
        cause, text = _CAUSES[number % len(_CAUSES)]
        return assessed(
            name,
            number,
            trust=dice.uniform(0.5, 0.68),
            uncertainty=dice.uniform(0.1, 0.45),
            band="guarded",
            since=since,
            drivers=(Driver(cause, 1.0, text),),
        )
    well = assessed(
        name,
        number,
        trust=dice.uniform(0.8, 0.97),
        uncertainty=dice.uniform(0.02, 0.25),
        since=since,
        labels={"app": _NAMES[number % len(_NAMES)], "owner": "team-a"},
    )
    if kind < 0.08:
        return replace(well, freshness=Freshness.PARTIAL, age=dice.uniform(40, 900))
    if kind > 0.97:
        off = replace(well.guest, state=GuestState.SHUTOFF)
        return replace(well, guest=off, freshness=Freshness.IDLE, age=dice.uniform(1e4, 1e6))
    return well


def _opinion(uncertainty: float) -> Opinion:
    return Opinion((1 - uncertainty) / 4, 3 * (1 - uncertainty) / 4, uncertainty)


def fleet_of(
    number: int, *others: Assessment, mode: Mode = Mode.ENFORCE, at: float = AT, **other: Any
) -> Fleet:
    """A fleet of so many guests and these others, at a time; further fields by name."""
    guests = [*(made(each, at) for each in range(number)), *others]
    if mode is Mode.OBSERVE:
        guests = [replace(guest, mode=mode, outcomes=_would(guest)) for guest in guests]
    return fleet(*guests, mode=mode, at=at, **other)


def _would(guest: Assessment) -> tuple[Outcome, ...]:
    return tuple(replace(each, status=OutcomeStatus.WOULD_APPLY) for each in guest.outcomes)


def hostile() -> tuple[Assessment, ...]:
    """A guest for each hostile name, with its label, driver and object as hostile as it is."""
    return tuple(
        replace(
            narrowed(
                name,
                5000 + place,
                labels={name: name},
                drivers=(Driver(name, 0.9, name), Driver("plain", 0.1, name)),
            ),
            permissions=replace(
                narrowed().permissions,
                access=(Access(ObjectRef("volume", name), frozenset({name}), frozenset({name})),),
            ),
        )
        for place, name in enumerate(HOSTILE)
    )


class Waiting:
    """Incidents: so many on loopback; over the socket one of them, of the first guest."""

    def __init__(self, number: int) -> None:
        self._number = number

    def mount(self, app: web.Application) -> None:
        app[INCIDENTS] = self

    def waiting(self) -> int:
        return self._number

    def listed(self, *, everything: bool, most: int) -> IncidentList:
        first = IncidentSummary(
            number=41,
            guest=made(0).id,
            name=made(0).guest.name,
            state="open",
            severity="critical",
            cause="fell to isolated",
            opened=AT,
            due=None,
            overdue=False,
            acknowledged=None,
            assigned="",
            recovered=None,
            resolved=None,
            conclusion=None,
            reopened=0,
            follows=None,
        )
        return IncidentList(AT, [first])


class Scores:
    """The scoring engine, asked about a guest: one envelope to keep, and two bands to gain."""

    def __init__(self, at: float) -> None:
        self._at = at

    def mount(self, app: web.Application) -> None:
        app[FEEDBACK] = self

    async def explain(self, guest: GuestId) -> Account:
        told = Explanation(
            terms=(),
            findings=(),
            ceiling=1.0,
            trust=0.1,
            repeats=1.0,
            restore=("writes below 220/s for 30 min",),
            earliest=self._at + 3600,
        )
        volume = ObjectRef("volume", "/pool/0.qcow2")
        return Account(
            told,
            (
                Step("restricted", 0.2, 120.0, self._at + 1800, ((volume, frozenset({"read"})),)),
                Step("guarded", 0.5, 300.0, nan, ((volume, frozenset({"write"})),)),
            ),
        )


class Records:
    """The recorded decisions: one denial of whatever is asked about."""

    def decisions(self, *, subject: str | None, permit: bool | None, most: int) -> DecisionList:
        denied = DecisionDoc(
            at=AT,
            caller="ceph",
            dialect="authzen",
            subject_type="guest",
            subject=subject or "",
            action="write",
            object_type="bucket",
            object="backups",
            permit=False,
            reason="band",
            band="isolated",
            mode="enforce",
            policy="",
        )
        return DecisionList([denied])


def remember(live: Live, now: Fleet) -> None:
    """A day before this fleet: guests that fell did so at some time, and some stalled."""
    stories = {guest.id: _story(guest, now.at) for guest in now.guests.values()}
    for step in range(DAY):
        at = now.at - (DAY - 1 - step) * STEP
        live.matrix.note(
            replace(now, at=at, guests={each: stories[each][step] for each in now.guests})
        )


def _story(guest: Assessment, now: float) -> list[Assessment]:
    dice = random.Random(guest.id)  # noqa: S311 - a fleet to look at
    bands = BANDS.index(guest.band)
    fell = DAY - 1 - min(DAY - 2, int((now - guest.since) // STEP))
    dip, stall = dice.randrange(4 * DAY), dice.randrange(12 * DAY)
    story = []
    for step in range(DAY):
        then = guest
        if step < fell and bands:
            back = max(0, bands - 1 - (fell - step) // 6)
            then = replace(
                then,
                permissions=replace(then.permissions, band=BANDS[back]),
                freshness=Freshness.FRESH,
            )
        elif not bands and dip <= step < dip + 5:
            then = replace(then, permissions=replace(then.permissions, band=BANDS[1]))
        if stall <= step < stall + 7 or (guest.freshness is Freshness.PARTIAL and step < DAY - 2):
            freshness = Freshness.PARTIAL if stall <= step < stall + 7 else Freshness.FRESH
            then = replace(then, freshness=freshness)
        story.append(then)
    return story


class Past:
    """A history for every guest: well, then as it is now."""

    def __init__(self, now: Fleet) -> None:
        self._now = now

    def mount(self, app: web.Application) -> None:
        app[HISTORIAN] = self

    def known(self, guest: GuestId) -> bool:
        return guest in self._now.guests

    def features(self) -> frozenset[str]:
        return frozenset()

    def storage(self) -> StorageDoc:
        raise NotImplementedError

    def timeline(
        self, guest: GuestId, feature: str | None, since: float, until: float, points: int
    ) -> TimelineDoc:
        found = self._now.guests[guest]
        dice = random.Random(guest)  # noqa: S311 - a fleet to look at
        step = (until - since) / points
        at = [since + step * place for place in range(points)]
        fell = int(points * 0.55)
        values, doubts, bands, fresh = [], [], [], []
        trust = 0.9
        for place in range(points):
            target = 0.9 if place < fell else found.trust
            rate = 0.35 if target < trust else 0.04
            trust += (target - trust) * rate + dice.gauss(0, 0.006)
            silent = points * 0.2 < place < points * 0.26
            values.append(round(min(1, max(0, trust)), 4))
            doubts.append(0.5 if silent else round(0.08 + 0.12 * abs(target - trust), 4))
            bands.append(_band(trust))
            fresh.append("partial" if silent else "fresh")
        return TimelineDoc(
            guest, since, until, None, None, BANDS, at, [step] * points, [1] * points,
            values, values, values, doubts, bands, fresh,
        )  # fmt: skip


def _band(trust: float) -> str:
    limits = (0.7, 0.45, 0.15)
    return BANDS[sum(trust < limit for limit in limits)]


def unknown() -> Assessment:
    """A guest of which nothing is known yet."""
    return assessed("new-1", 6000, trust=nan, uncertainty=1.0, freshness=Freshness.STALE, age=nan)
