"""The constants of the learned lane, with what each one means."""

from __future__ import annotations

from dataclasses import dataclass

from trustd.model.behaviour import DAY, HOUR


@dataclass(frozen=True, slots=True)
class Range:
    """From where a deviation begins to matter to where it matters wholly."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pace:
    """One speed at which evidence is gathered.

    Args:
        fade: half-life of gathered evidence.
        step: the most evidence of 300 s.
        excess: by how many times a guest must exceed its own record.
        crossing: evidence beyond it at which trust falls below one half.
        most: what a deviation can matter at most; 1 at the top of its range.
        drop: what a deviation downwards counts, against one upwards.
        bytes, events, percent: the deviations that matter, in the unit.
    """

    fade: float
    step: float
    excess: float
    crossing: float
    most: float
    drop: float
    bytes: Range
    events: Range
    percent: Range


FAST = Pace(
    fade=0.75 * HOUR,
    step=6.0,
    excess=1.5,
    crossing=4.0,
    most=1.5,
    drop=0.25,
    bytes=Range(50e3, 5e6),
    events=Range(50.0, 5e3),
    percent=Range(10.0, 60.0),
)
"""For what is plain within minutes to an hour."""
SLOW = Pace(
    fade=8.0 * HOUR,
    step=3.0,
    excess=2.0,
    crossing=16.0,
    most=1.0,
    drop=0.0,
    bytes=Range(5e3, 250e3),
    events=Range(5.0, 250.0),
    percent=Range(10.0, 60.0),
)
"""For a little over a long time: a budget for the day."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the learned lane judges. The defaults were chosen by measurement.

    Nothing here needs tuning by a caller; what an operator states about roles is
    in :class:`trustd.model.Behaviour`.

    Args:
        stride: seconds between two judgements, at least; longer ticks are judged
            one by one.
        window: seconds over which telemetry is averaged before it is judged.
        adapt: half-life of the learned level and scale.
        visits: half-life of the hour-of-day profile, in days.
        remember: half-life of rarity and of records.
        floor: the smallest scale of a residual, in compressed units.
        prior: seconds of a guest's own experience that weigh as much as the
            fleet's.
        slack: evidence of one window that is nobody's concern.
        paces: the speeds at which evidence is gathered; the worst decides.
        block: seconds of one entry of the record.
        hold: seconds for which an unacknowledged crossing does not enter the
            record.
        conceded: the share of a held record that enters it afterwards.
        young: by how many times more evidence a newcomer needs, on top.
        youth: half-life of that allowance.
        good: good evidence of a guest of long standing.
        base_rate: trust in a guest of which nothing is known.
    """

    stride: float = 60.0
    window: float = 300.0
    adapt: float = 7 * DAY
    visits: float = 5.0
    remember: float = 28 * DAY
    floor: float = 0.2
    prior: float = 17 * HOUR
    slack: float = 0.3
    paces: tuple[Pace, ...] = (FAST, SLOW)
    block: float = 6 * HOUR
    hold: float = 72 * HOUR
    conceded: float = 0.67
    young: float = 3.0
    youth: float = 4 * DAY
    good: float = 10.0
    base_rate: float = 0.5
