"""The samples of a fleet, as rows and side by side."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trustd.model import Frame, Gap, GapReason, Samples, gap_counts, gathered

FEATURES = ("cpu", "disk", "net")
REASONS = [reason for reason in GapReason if reason]
CELLS = st.one_of(st.floats(0, 1e9), st.sampled_from([Gap(reason) for reason in REASONS]))
GUESTS = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6)


def frame_of(guests: list[tuple[float | Gap, ...]]) -> Frame:
    values = [[np.nan if isinstance(cell, Gap) else cell for cell in row] for row in guests]
    gaps = [[cell.reason if isinstance(cell, Gap) else 0 for cell in row] for row in guests]
    shape = (len(guests), len(FEATURES))
    columns = {name: place for place, name in enumerate(FEATURES)}
    return Frame(
        columns, np.array(values).reshape(shape), np.array(gaps, dtype=np.int8).reshape(shape)
    )


@given(guests=GUESTS, data=st.data())
def test_rows_of_one_frame_say_what_plain_mappings_say(guests, data) -> None:
    """Whichever guests are gathered in whichever order: the quick way and the plain one agree."""
    frame = frame_of(guests)
    order = data.draw(st.permutations(range(len(guests))))
    rows = [Samples(frame, row) for row in order]
    plain = [dict(zip(FEATURES, guests[row], strict=True)) for row in order]
    for features in (FEATURES, ("net", "cpu"), ("net", "other")):
        for quick, slow in zip(gathered(rows, features), gathered(plain, features), strict=True):
            np.testing.assert_array_equal(quick, slow)
    assert gap_counts(rows) == gap_counts(plain)


def test_guests_of_two_ticks_are_not_mixed_up() -> None:
    """Rows of different frames keep the numbers of their own."""
    earlier, later = frame_of([(1.0, 2.0, 3.0)]), frame_of([(4.0, 5.0, Gap(GapReason.RESET))])
    values, gaps = gathered([Samples(earlier, 0), Samples(later, 0)], ("cpu", "net"))
    assert values.tolist()[0] == [1.0, 3.0]
    assert values[1, 0] == 4.0
    assert gaps.tolist() == [[0, 0], [0, GapReason.RESET]]
