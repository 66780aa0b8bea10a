"""The learned lane: one window of the whole fleet becomes evidence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from trustd.model import FeatureSpec
from trustd.model.behaviour import DAY, HOUR
from trustd.trust import baseline, common, evidence, rarity, record
from trustd.trust.columns import Array, Column, Table
from trustd.trust.settings import Settings
from trustd.trust.units import Units
from trustd.trust.windows import Window

TINY = 1e-9
QUIET = 0.1
"""Evidence below which the latest window is shown instead of the strongest."""
COLUMNS = {
    "net": Column(),
    "shown.value": Column(fill=np.nan),
    "shown.expected": Column(fill=np.nan),
    "shown.own": Column(fill=1.0),
    "shown.fleet": Column(fill=1.0),
    "shown.step": Column(),
    "nu": Column(per="family"),
    "agree": Column(per="family"),
}


class Learned:
    """Judges windows; all that it remembers is in the table.

    Args:
        features: the columns of the windows.
    """

    def __init__(self, features: Sequence[FeatureSpec], settings: Settings) -> None:
        self._settings = settings
        self._units = Units(features, settings.paces)
        self._contended = np.array([feature.contended for feature in features], dtype=bool)
        names = list(dict.fromkeys((feature.family, feature.group) for feature in features))
        self._heap = evidence.Heap(
            settings, [names.index((feature.family, feature.group)) for feature in features]
        )
        families = list(dict.fromkeys(feature.family for feature in features))
        self._members = [
            (place, [index for index, (family, _) in enumerate(names) if family == name])
            for place, name in enumerate(families)
        ]

    def judge(self, table: Table, window: Window, *, at: float, clock: float) -> None:
        """Score a window, then learn from it.

        Args:
            at: epoch seconds, for the hour of the day.
            clock: the engine's own, which never steps.
        """
        settings, seconds = self._settings, window.seconds
        hour = int(at // HOUR) % baseline.HOURS
        values = np.where(table["behaviour.ignore"], np.float32(np.nan), window.means)
        compressed = self._units.compress(values)
        present = np.isfinite(compressed)
        expected = baseline.expect(table, hour, settings.floor)
        known = present & (table["level.seen"] > 0)
        signed = (compressed - expected.blend) / expected.sigma
        np.copyto(signed, 0.0, where=~known)
        own_part = common.without(signed, known)
        deviation = np.abs(own_part)
        rungs = rarity.rung(deviation)
        own, fleet = rarity.probabilities(table, rungs, settings.prior / evidence.UNIT)
        usual = self._units.expand(expected.blend)
        apart = np.nan_to_num(values - usual)
        said = evidence.surprise(own, deviation)
        if own_part is not signed:
            # The size in real units, too, is the guest's own only in this part.
            said *= deviation / np.maximum(np.abs(signed), deviation + TINY)
        fresh = self._weigh(table, compressed, apart, said, window.contention)
        self._heap.add(table, fresh, seconds, at, np.asarray(present.any(axis=1)))
        record.note(table, values)
        self._show(table, reduce(np.maximum, fresh), (values, usual, own, fleet), seconds)
        self._decide(table)
        rarity.count(
            table,
            rungs,
            known,
            keep=2.0 ** (-seconds / settings.remember),
            weight=min(seconds, settings.window) / evidence.UNIT,
        )
        baseline.learn(
            table,
            expected,
            compressed,
            hour=hour,
            share=1.0 - 2.0 ** (-seconds / settings.adapt),
            profile_share=1.0 - 2.0 ** (-seconds / (HOUR * settings.visits)),
        )
        if int((clock - seconds) // settings.block) != int(clock // settings.block):
            keep = 2.0 ** (-settings.block / settings.remember)
            record.turn(table, clock, keep=keep, conceded=settings.conceded)

    def _weigh(
        self, table: Table, compressed: Array, apart: Array, said: Array, contention: float
    ) -> list[Array]:
        """Evidence of the window, a pace each, shape (guests, features)."""
        new = self._units.novelty(np.nan_to_num(compressed), self._units.compress(table["peak"]))
        # A record of less than a day says nothing of what is new.
        new *= (apart > 0) & (table["age"] >= DAY)[:, None]
        fresh = self._units.materiality(apart)
        for matters in fresh:
            matters[:, self._contended] *= 1.0 - contention
            np.multiply(matters, said, out=matters)
        # Only the fast pace asks for it: low and slow is under every record.
        fresh[0] *= 1.0 + new
        return fresh

    def _decide(self, table: Table) -> None:
        """Net evidence by feature, and by family against its threshold."""
        by_pace = self._heap.beyond(table)
        table["net"][...] = reduce(np.maximum, by_pace)
        grouped = [self._heap.by_group(net) for net in by_pace]
        for place, groups in self._members:
            found = [evidence.together(by_group[groups]) for by_group in grouped]
            table["nu"][:, place] = np.max([nu for nu, _ in found], axis=0)
            table["agree"][:, place] = np.max([agree for _, agree in found], axis=0)

    def _show(self, table: Table, fresh: Array, terms: tuple[Array, ...], seconds: float) -> None:
        """Keep the terms of the window that said most, for the explanation."""
        strongest = table["shown.step"]
        strongest *= 2.0 ** (-seconds / self._settings.paces[0].fade)
        newer = np.isfinite(terms[0]) & ((fresh >= strongest) | (strongest < QUIET))
        np.copyto(strongest, fresh, where=newer, casting="same_kind")
        for name, term in zip(("value", "expected", "own", "fleet"), terms, strict=True):
            np.copyto(table[f"shown.{name}"], term, where=newer, casting="same_kind")
