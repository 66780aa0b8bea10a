"""The fast lane: bounds that the operator states, watched in every tick.

Time over a bound is added and time inside is taken off, so a guest that goes over
for most of the time is caught although it pauses, and a crossing ends only after
as long inside. Without measurements the count stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from trustd.model import Behaviour, Envelope, FeatureSpec, GuestId
from trustd.trust.columns import Array

SILENCE = 3600.0
"""Seconds for which a guest is measured, but not in this feature, after which a crossing
is no longer held open. Of a guest that is not measured at all silence ends nothing."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """An envelope that a guest went over, or came back into.

    Args:
        guest: who.
        envelope: which.
        value: the measurement that decided; NaN where there was none.
        opened: False when it ended.
    """

    guest: GuestId
    envelope: Envelope
    value: float
    opened: bool

    @property
    def key(self) -> tuple[str, str]:
        """The kind and key of its finding."""
        return name_of(self.envelope)


def name_of(envelope: Envelope) -> tuple[str, str]:
    """The kind and key of the finding that a crossing is.

    >>> name_of(Envelope("net.tx.bytes", most=1e6, sustained=60.0))
    ('envelope:net.tx.bytes', '..1e+06 for 60s')
    """
    low = "" if envelope.least == -np.inf else f"{envelope.least:g}"
    high = "" if envelope.most == np.inf else f"{envelope.most:g}"
    held = f" for {envelope.sustained:g}s" if envelope.sustained > 0 else ""
    return f"envelope:{envelope.feature}", f"{low}..{high}{held}"


_CALM = (0.0, 0.0, False)


class Envelopes:
    """All stated envelopes of all guests, one entry each.

    Args:
        features: the columns of the measurements.
    """

    def __init__(self, features: Sequence[FeatureSpec]) -> None:
        self._columns = {feature.name: place for place, feature in enumerate(features)}
        self._kept: dict[tuple[GuestId, Envelope], tuple[float, float, bool]] = {}
        self._entries: list[tuple[GuestId, Envelope]] = []
        self._over = self._silent = np.zeros(0)
        self._open = np.zeros(0, dtype=bool)

    def arrange(
        self,
        guests: Iterable[tuple[GuestId, Behaviour]],
        is_open: Callable[[GuestId, tuple[str, str]], bool],
    ) -> None:
        """Take over who stands in which row and what is expected of each.

        Called after guests came, went or changed their behaviour; what was
        counted so far is kept.

        Args:
            is_open: whether the finding of a crossing, by its name, is open. Of a
                guest that came with its history nothing was counted here, and a
                crossing that nobody watches would never end.
        """
        self._kept = self.counts()
        placed = [
            (row, self._columns[envelope.feature], guest, envelope)
            for row, (guest, behaviour) in enumerate(guests)
            for envelope in behaviour.expect
            if envelope.feature in self._columns
        ]
        self._entries = [(guest, envelope) for _, _, guest, envelope in placed]
        self._row = np.array([row for row, _, _, _ in placed], dtype=np.intp)
        self._column = np.array([column for _, column, _, _ in placed], dtype=np.intp)
        stated = [envelope for _, envelope in self._entries]
        self._most = np.array([each.most for each in stated])
        self._least = np.array([each.least for each in stated])
        self._sustained = np.array([max(each.sustained, 0.0) for each in stated])
        kept = [
            self._kept.get(entry)
            or ((entry[1].sustained, 0.0, True) if is_open(entry[0], name_of(entry[1])) else _CALM)
            for entry in self._entries
        ]
        self._over = np.array([over for over, _, _ in kept])
        self._silent = np.array([silent for _, silent, _ in kept])
        self._open = np.array([is_open for _, _, is_open in kept], dtype=bool)
        self._kept = {}

    def reset(self, guest: GuestId) -> None:
        """Forget what was counted of a guest."""
        mine = np.array([entry[0] == guest for entry in self._entries], dtype=bool)
        self._over[mine] = self._silent[mine] = 0.0
        self._open[mine] = False
        self._kept = {entry: counts for entry, counts in self._kept.items() if entry[0] != guest}

    def counts(self) -> dict[tuple[GuestId, Envelope], tuple[float, float, bool]]:
        """Seconds over, seconds silent and whether it is open, by entry."""
        return {
            entry: (float(over), float(silent), bool(is_open))
            for entry, over, silent, is_open in zip(
                self._entries, self._over, self._silent, self._open, strict=True
            )
        } | self._kept

    def recall(self, counts: dict[tuple[GuestId, Envelope], tuple[float, float, bool]]) -> None:
        """Take over counts that were saved, at the next :meth:`arrange`."""
        self._kept |= counts

    def check(self, values: Array, seconds: Array) -> list[Crossing]:
        """Watch a tick; the envelopes that opened or ended in it.

        Args:
            values: shape (guests, features); NaN is no measurement.
            seconds: that they stand for, shape (guests,).
        """
        if not self._entries:
            return []
        value = values[self._row, self._column]
        spent = seconds[self._row]
        present = np.isfinite(value)
        outside = present & ((value > self._most) | (value < self._least))
        change = np.where(outside, spent, -spent)
        self._over = np.where(
            present, np.clip(self._over + change, 0.0, self._sustained), self._over
        )
        heard = np.asarray(np.isfinite(values).any(axis=1))[self._row]
        self._silent = np.where(present, 0.0, self._silent + np.where(heard, spent, 0.0))
        opens = ~self._open & outside & (self._over >= self._sustained)
        ends = self._open & np.where(
            present, ~outside & (self._over <= 0.0), self._silent >= SILENCE
        )
        self._open = (self._open | opens) & ~ends
        return [
            Crossing(*self._entries[place], float(value[place]), bool(opens[place]))
            for place in np.flatnonzero(opens | ends)
        ]
