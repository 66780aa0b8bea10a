"""What was the case when a replay begins: it begins in the middle of things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from trustd.model import Freshness, GuestId, Orders, OutcomeStatus
from trustd.pipeline.backtest.happened import Happened
from trustd.pipeline.backtest.moments import Row
from trustd.pipeline.backtest.orders import KINDS, begun
from trustd.pipeline.news import ENDED
from trustd.policy import Policy
from trustd.repository import Entry, Past
from trustd.repository.past import BAND
from trustd.repository.recorded import Recorded

_NOT_DONE = frozenset(
    (
        ENDED,
        OutcomeStatus.WOULD_APPLY,
        OutcomeStatus.WITHHELD,
        OutcomeStatus.RESTORED,
        OutcomeStatus.DONE,
    )
)
"""What became of an action that is not being done, or not any more."""
_MOST = 100
"""Changes of a guest's band among which the last one by which it was measured is looked for."""
_SPARE = 60.0


def lead(*policies: Policy) -> float:
    """Seconds before a time after which nothing earlier has a say in where a guest stands."""
    longest = 0.0
    for policy in policies:
        trust = policy.document.trust
        stale = trust.stale.give_up or trust.stale.after
        longest = max(longest, trust.dwell.up, stale, policy.limits.demotions.per)
    return longest + _SPARE


def orders_before(recorded: Recorded, at: float) -> Orders:
    """The orders in force at a time."""
    past = Past(recorded)
    entries = recorded.entries(KINDS, -inf, at)
    return begun(entries, recorded.orders(), at, lambda when: _bands(past, when))


def narrowed_before(past: Past, happened: Happened, at: float) -> Mapping[GuestId, float]:
    """Guests to whom something is being done at a time, and since when, in epoch seconds.

    Args:
        happened: is told of it.
    """
    found = {}
    for guest in past.everybody(at):
        for entry in past.told(guest, BAND, at, 1):
            happened.tell(entry)
        actions = past.deeds(guest, at)
        for entry in actions:
            happened.tell(entry)
        since = _narrowed(actions)
        if since is not None:
            found[guest] = since
    return found


def relay_before(past: Past, row: Row, at: float, then: Policy) -> str:
    """The band to which a guest returns at once when it is measured again.

    Args:
        row: of a moment at which it is not.
        then: the policy that was in force.
    """
    band = row.band
    for entry in past.told(row.guest, BAND, at, _MOST):
        if entry.document["freshness"] == Freshness.FRESH:
            band = str(entry.document["after"])
            break
        band = str(entry.document["before"])
    return min(band, row.band, key=then.rank)


def _narrowed(actions: Sequence[Entry]) -> float | None:
    """Since when something is being done to a guest, in epoch seconds; None where nothing is.

    Args:
        actions: the last one on each of its devices.
    """
    since = [each.at for each in actions if each.document["status"] not in _NOT_DONE]
    return min(since, default=None)


def _bands(past: Past, at: float) -> Mapping[GuestId, str]:
    """The band of every guest at a time."""
    found = {}
    for guest, seen in past.everybody(at).items():
        band = past.band(guest, at)
        if band is not None and band.at >= seen.at:
            found[guest] = str(band.document["after"])
        elif "band" in seen.document:
            found[guest] = str(seen.document["band"])
    return found
