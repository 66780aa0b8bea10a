"""Subjective logic's binomial opinion (Jøsang, Subjective Logic, 2016)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Opinion:
    """Belief, disbelief and uncertainty, which add up to 1, and a base rate.

    >>> Opinion(belief=0.6, disbelief=0.1, uncertainty=0.3).projected
    0.75
    """

    belief: float
    disbelief: float
    uncertainty: float
    base_rate: float = 0.5

    @property
    def projected(self) -> float:
        """The projected probability ``b + a u``, in [0, 1]."""
        return self.belief + self.base_rate * self.uncertainty
