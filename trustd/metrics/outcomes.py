"""Tells what is new among the outcomes of a tick."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from trustd.model import Action, Fleet, Outcome, OutcomeStatus

_TROUBLE = frozenset({OutcomeStatus.REFUSED, OutcomeStatus.FAILED, OutcomeStatus.TIMED_OUT})
"""Statuses of which each new attempt counts, because each was another act."""

_Key = tuple[str, str, str, tuple[tuple[str, int | str | bool], ...]]


class OutcomeLog:
    """Remembers the outcomes of the last tick, to tell which of the next are new.

    An action in force is reported in every tick; it was carried out once.
    """

    def __init__(self) -> None:
        self._known: dict[_Key, Outcome] = {}
        self._last = inf

    def fresh(self, fleet: Fleet) -> Sequence[Outcome]:
        """The outcomes that came about since the last call."""
        now = {
            _key(outcome.action): outcome
            for guest in fleet.guests.values()
            for outcome in guest.outcomes
        }
        before, self._known = self._known, now
        since, self._last = self._last, fleet.at
        return [
            outcome
            for key, outcome in now.items()
            if _is_new(before.get(key), outcome)
            # what was done once stays on show, also over a restart
            and (outcome.status is not OutcomeStatus.DONE or outcome.at > since)
        ]


def _key(action: Action) -> _Key:
    return (action.guest, action.lever, action.device, tuple(sorted(action.setting.items())))


def _is_new(before: Outcome | None, now: Outcome) -> bool:
    if before is None:
        return True
    if before.status is not now.status:
        return (before.status, now.status) != (OutcomeStatus.APPLIED, OutcomeStatus.HELD)
    return now.status in _TROUBLE and before.at != now.at
