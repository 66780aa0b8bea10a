"""Statistics as columns."""

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustd.model import GapReason, ReplyTable, counter_rate, device_rate
from trustd.model.rates import scaled, total

ROWS = [
    {"cpu.time": 5, "net.count": 1, "net.0.name": "vnet0", "net.0.rx.bytes": 7},
    {},
    {"net.0.rx.bytes": 8, "net.0.name": "vnet1", "net.count": 1, "cpu.time": 6},
    {"net.count": 2, "net.1.rx.bytes": 3, "net.1.name": "vnet9", "net.0.name": ""},
    {"cpu.time": 9, "net.count": 0},
]


def test_a_column_has_a_row_a_guest() -> None:
    """Guests keep their rows whatever fields their replies have, and in which order."""
    np.testing.assert_array_equal(
        ReplyTable(ROWS).column("cpu.time"), [5.0, np.nan, 6.0, np.nan, 9.0]
    )
    assert np.isnan(ReplyTable(ROWS).column("no.such.field")).all()
    assert len(ReplyTable([]).column("cpu.time")) == 0


def test_devices_are_in_the_order_of_guests_and_indices() -> None:
    """Each device knows its guest and its name; one without a name has its index."""
    devices = ReplyTable(ROWS).devices("net")
    assert devices.owner.tolist() == [0, 2, 3, 3]
    assert devices.names == ("vnet0", "vnet1", "0", "vnet9")
    np.testing.assert_array_equal(devices.column("rx.bytes"), [7.0, 8.0, np.nan, 3.0])
    assert devices.none.tolist() == [False, False, False, False, True]


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "net.0.x", "net.1.x", "net.count"]),
            st.one_of(st.integers(), st.floats(), st.text(max_size=3)),
        ),
        max_size=6,
    )
)
def test_columns_are_what_a_look_up_gives(rows: list[dict[str, int | float | str]]) -> None:
    """Whatever the replies are, a column equals asking each of them by name."""
    table = ReplyTable(rows)

    def number(value: float | str | None) -> float:
        if value is None or isinstance(value, str):
            return np.nan
        try:
            return float(value)
        except OverflowError:
            return np.nan

    for name in ("a", "b", "net.count", "missing"):
        np.testing.assert_array_equal(
            table.column(name), np.array([number(row.get(name)) for row in rows])
        )
    devices = table.devices("net")
    told = devices.column("x")
    expected = [
        number(row.get(f"net.{index}.x"))
        for row in rows
        for index in (0, 1)
        if f"net.{index}.x" in row
    ]
    np.testing.assert_array_equal(told, expected)


def test_a_device_keeps_its_counter_when_its_index_moves() -> None:
    """The rate of a device is its own, also after another one was unplugged."""
    before = ReplyTable(
        [{"net.count": 2, "net.0.name": "a", "net.0.c": 100, "net.1.name": "b", "net.1.c": 10}]
    )
    after = ReplyTable([{"net.count": 1, "net.0.name": "b", "net.0.c": 30}])
    rate = device_rate(before.devices("net"), after.devices("net"), "c", np.array([2.0]))
    assert rate.values.tolist() == [[10.0]]


def test_a_table_does_not_hold_the_ones_before_it() -> None:
    """However many replies were compared, only those that somebody holds are kept."""
    counters = [{"net.count": 1, "net.0.name": "a", "net.0.c": tick} for tick in range(4)]
    first, *others = (ReplyTable([row]).devices("net") for row in counters)
    let_go, before = weakref.ref(first), first
    for after in others:
        assert device_rate(before, after, "c", np.array([1.0])).values.tolist() == [[1.0]]
        before = after
    del first
    assert let_go() is None


def test_devices_of_one_name_are_not_told_apart() -> None:
    """Where a name became ambiguous, no rate is made up."""
    before = ReplyTable([{"net.count": 1, "net.0.name": "a", "net.0.c": 10}])
    twice = {"net.count": 2, "net.0.name": "a", "net.0.c": 20, "net.1.name": "a", "net.1.c": 90}
    rate = device_rate(
        before.devices("net"), ReplyTable([twice]).devices("net"), "c", np.array([1.0])
    )
    assert rate.gaps.tolist() == [[GapReason.FIRST]]


@pytest.mark.parametrize(
    ("before", "after", "seconds", "reason"),
    [
        (1.0, 2.0, 1.0, GapReason.PRESENT),
        (2.0, 1.0, 1.0, GapReason.RESET),
        (np.nan, 1.0, 1.0, GapReason.FIRST),
        (-1.0, 1.0, 1.0, GapReason.FIRST),
        (1.0, np.nan, 1.0, GapReason.NOT_REPORTED),
        (-2.0, -1.0, 1.0, GapReason.NOT_REPORTED),
        (1.0, 1e30, 1.0, GapReason.NOT_REPORTED),
        (1.0, np.inf, 1.0, GapReason.NOT_REPORTED),
        (1.0, 2.0, 0.0, GapReason.NO_TIME),
        (1.0, 2.0, -1.0, GapReason.NO_TIME),
        (1.0, 2.0, np.nan, GapReason.NO_TIME),
    ],
)
def test_why_there_is_no_rate(
    before: float, after: float, seconds: float, reason: GapReason
) -> None:
    """Each way in which a rate cannot be had has its own reason."""
    rate = counter_rate(np.array([before]), np.array([after]), np.array([seconds]))
    assert rate.gaps.tolist() == [[reason]]
    assert np.isnan(rate.values[0, 0]) == (reason is not GapReason.PRESENT)


def test_sums_and_multiples_keep_the_first_reason() -> None:
    """A sum with a part missing is missing, for the reason of the first part that is."""
    one = np.array([1.0])
    fine = counter_rate(one, one * 3, one)
    reset = counter_rate(one * 3, one, one)
    first = counter_rate(one * np.nan, one, one)
    assert total([fine, fine]).values.tolist() == [[4.0]]
    assert total([fine, reset, first]).gaps.tolist() == [[GapReason.RESET]]
    assert scaled(reset, 1024).gaps.tolist() == [[GapReason.RESET]]
    assert scaled(fine, 1024).values.tolist() == [[2048.0]]
