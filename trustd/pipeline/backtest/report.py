"""What a backtest found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trustd.model import GuestId
from trustd.pipeline.backtest.stretches import Book


@dataclass(frozen=True, slots=True)
class Resolution:
    """A time in which history is kept in one form.

    Args:
        width: seconds for which a point stands; 0 for every tick.
        begin, end: epoch seconds.
    """

    width: float
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a policy would have made of a time.

    Args:
        since, until: epoch seconds of the history that there is of what was asked for.
        books: by guest.
        names: the last that each was told by.
        resolutions: the coarsest first.
        otherwise: guests whose behaviour the policy weighs otherwise than the one by
            which their trust was scored.
        assumed: guests whose devices were not told.
        untold: guests of whom there is history, and no word who they are.
        damaged: guests of whom a part of history cannot be read.
        lost: policies that were in force and cannot be read.
    """

    since: float
    until: float
    books: Mapping[GuestId, Book]
    names: Mapping[GuestId, str]
    resolutions: Sequence[Resolution]
    otherwise: frozenset[GuestId]
    assumed: frozenset[GuestId]
    untold: frozenset[GuestId]
    damaged: frozenset[GuestId]
    lost: frozenset[str]
