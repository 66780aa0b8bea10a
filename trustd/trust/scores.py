"""What one step says of every guest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

from trustd.model import Opinion
from trustd.trust.columns import Array


@dataclass(frozen=True, slots=True)
class Scores:
    """The fleet's scores after a step; rows are those of ``engine.guests``.

    Args:
        trust: in [0, 1], bounded by open findings, slow to rise; shape (guests,).
        belief, disbelief, uncertainty: of the opinion, adding up to 1; (guests,).
        evidence: of the learned lane against the guest, (guests, features), in
            units of which one alone takes trust below one half.
        base_rate: trust in a guest of which nothing is known.
        ceiling: the most that open findings allow; 1 without any; (guests,).
        clean: whether nothing speaks against the guest; (guests,).
        fresh: whether the guest was measured in this step; (guests,).
        judged: whether the learned lane judged a window in this step.
    """

    trust: Array
    belief: Array
    disbelief: Array
    uncertainty: Array
    evidence: Array
    base_rate: float
    ceiling: Array
    clean: Array
    fresh: Array
    judged: bool

    def opinion(self, index: int) -> Opinion:
        """One guest's opinion."""
        return Opinion(
            float(self.belief[index]),
            float(self.disbelief[index]),
            float(self.uncertainty[index]),
            self.base_rate,
        )

    def opinions(self) -> list[Opinion]:
        """Every guest's opinion, in the order of the rows."""
        parts = (self.belief.tolist(), self.disbelief.tolist(), self.uncertainty.tolist())
        return list(map(Opinion, *parts, repeat(self.base_rate)))
