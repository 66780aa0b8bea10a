"""From trust to a band: one Schmitt relay a band, nested, with dwell.

A relay goes on when trust was at or above its ``enter`` for the dwell time, and off
as soon as trust is below its ``leave``. Both thresholds strictly fall from band to
band, so a better band's relay is on only while every worse one's is, and the band of
a lower trust is never better. Stale telemetry lets relays fall, never rise, and caps
what they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from trustd.policy.schema import Trust

Saved = Mapping[str, str | float | bool]
"""A standing as plain values, for the store."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one guest stands among the bands.

    Args:
        band: the band in force.
        since: epoch seconds since which it is.
        relay: the band that the relays say; better than ``band`` only while stale.
        stale: whether the telemetry behind it is stale.
        rising: for each band better than ``relay``, the steady clock's seconds since
            which trust is at or above its ``enter``; infinite where it is not.
            Empty where it is for none.
    """

    band: str
    since: float
    relay: str
    stale: bool = False
    rising: tuple[float, ...] = ()


class Relays:
    """The relays of all bands; one :class:`Standing` a guest is their state."""

    __slots__ = ("_after", "_cap", "_dwell", "_enter", "_give_up", "_leave", "_rank", "names")

    def __init__(self, trust: Trust) -> None:
        bands = trust.bands
        self.names: Sequence[str] = tuple(band.name for band in bands)
        self._rank = {name: rank for rank, name in enumerate(self.names)}
        # The last band is entered at any trust and never left downward.
        self._enter = tuple(-inf if band.enter is None else band.enter for band in bands)
        self._leave = tuple(-inf if band.leave is None else band.leave for band in bands)
        self._dwell = trust.dwell.up
        stale = trust.stale
        self._after = stale.after
        self._give_up = inf if stale.give_up is None else stale.give_up
        last = len(bands) - 1
        self._cap = last
        if stale.then == "hold":
            self._cap = 0
        elif stale.then == "cap":
            self._cap = max(1, last - 1) if stale.band is None else self._rank[stale.band]

    def start(self, probation: str | None, *, at: float) -> Standing:
        """A guest that was never measured: on probation, or in the last band."""
        band = self.names[-1] if probation is None else probation
        return Standing(band, at, band)

    def save(self, standing: Standing) -> Saved:
        """What the store keeps of a standing; a dwell under way begins anew."""
        rank = self._rank[standing.relay]
        return {
            "band": standing.band,
            "since": standing.since,
            "relay": standing.relay,
            "stale": standing.stale,
            "enter": self._enter[rank],
            "leave": self._leave[rank],
        }

    def restore(self, saved: Saved, *, at: float) -> Standing:
        """A standing from the store, perhaps of a policy with other bands.

        Where its band is gone, the guest gets the best band that its old thresholds
        prove: what was above the old ``enter`` and ``leave`` is above lower ones.
        """
        relay = str(saved["relay"])
        if relay not in self._rank:
            enter, leave = float(saved["enter"]), float(saved["leave"])
            thresholds = zip(self.names, self._enter, self._leave, strict=True)
            relay = next(name for name, e, d in thresholds if e <= enter and d <= leave)
        rank = max(self._rank[relay], self._rank.get(str(saved["band"]), 0))
        since = min(float(saved["since"]), at)
        return Standing(self.names[rank], since, relay, bool(saved["stale"]))

    def step(
        self,
        standing: Standing,
        trust: float | None,
        *,
        at: float,
        clock: float,
        stale_for: float = 0.0,
    ) -> Standing:
        """One guest's standing after one tick.

        Args:
            trust: in [0, 1]; None where there is none yet.
            at: epoch seconds.
            clock: seconds of a clock that never steps; dwell is measured on it.
            stale_for: seconds since the guest was last measured, or since it was
                first seen where it never was.

        Returns:
            The same object where nothing changed.
        """
        before = level = self._rank[standing.relay]
        stale = not stale_for <= self._after
        rising = standing.rising
        if trust is not None and trust == trust:  # noqa: PLR0124 - NaN is no trust
            while trust < self._leave[level]:
                level += 1
            if stale:
                rising = ()
            elif level and (rising or trust >= self._enter[level - 1]):
                level, rising = self._rise(level, rising, trust, clock)
        elif stale:
            rising = ()
        rank = self._worsened(level, stale_for) if stale else level
        if level == before and rising == standing.rising and stale == standing.stale:
            band = self.names[rank]
            return standing if band == standing.band else replace(standing, band=band, since=at)
        since = standing.since if self.names[rank] == standing.band else at
        return Standing(self.names[rank], since, self.names[level], stale, rising)

    def _rise(
        self, level: int, rising: tuple[float, ...], trust: float, clock: float
    ) -> tuple[int, tuple[float, ...]]:
        """Relays that are off: which have been above their ``enter`` long enough."""
        since: list[float] = []
        for rank in range(level):
            began = rising[rank] if rank < len(rising) else inf
            # A clock that is behind an earlier reading is another clock: begin anew.
            since.append(min(began, clock) if trust >= self._enter[rank] else inf)
        for rank, moment in enumerate(since):
            if clock - moment >= self._dwell:
                level = rank
                break
        kept = tuple(since[:level])
        return level, kept if any(moment < inf for moment in kept) else ()

    def _worsened(self, level: int, stale_for: float) -> int:
        """The band's rank while telemetry is stale."""
        if not stale_for <= self._give_up:
            return len(self.names) - 1
        return max(level, self._cap)
