"""What counts as a detected attack in the measurement of the scoring."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from bench.bitbrains import Attack
from bench.fleet import Case, judge, noticed

TICK = 300.0
WATCHED = 30 * 288
BEGIN, END = 5000, 5006
"""Half an hour, after the days of warm-up."""


@pytest.mark.parametrize(
    ("since", "until", "seconds"),
    [
        (BEGIN, WATCHED, TICK),
        (BEGIN + 2, BEGIN + 3, 3 * TICK),
        (END + 1, WATCHED, 8 * TICK),
        (END + 2, WATCHED, inf),
        (BEGIN - 1, WATCHED, inf),
        (WATCHED, WATCHED, inf),
    ],
    ids=["at once", "for a tick", "just after", "too late", "before it began", "never"],
)
def test_an_attack_is_noticed_by_a_fall_in_its_time(since: int, until: int, seconds: float) -> None:
    """Trust has to fall during an attack or within two ticks; to be low already is no detection."""
    values = np.zeros((WATCHED, 2, 1), dtype=np.float32)
    case = Case(values, 1, (Attack(0, 2, BEGIN, END),), at=0.0, period=TICK)
    below = np.zeros((WATCHED, 2), dtype=bool)
    below[since:until, 1] = True
    assert np.nan_to_num(noticed(case, below), nan=inf).tolist() == [seconds]
    result = judge(case, below)
    assert result.detected[2] == float(seconds < inf)
    assert result.false_per_month == 0.0
