"""The fleet's last day, a character for ten minutes."""

from __future__ import annotations

import gzip
from dataclasses import replace

import orjson
import pytest

from tests.api.conftest import Served
from tests.api.fleets import AT, BANDS, assessed, fleet, guest_id, narrowed
from trustd.api.history_shapes import TimelineDoc
from trustd.api.matrix import COLUMNS, STEP, Matrix
from trustd.model import Assessment, Fleet, Freshness

NOW = AT // STEP * STEP


def at(moment: float, *guests: Assessment) -> Fleet:
    return fleet(*guests, at=moment)


def tail(matrix: Matrix, number: int, length: int) -> str:
    row = matrix.row(guest_id(number))
    assert len(row) == COLUMNS
    return row[-length:]


def test_the_worst_band_of_a_stretch_is_kept() -> None:
    """A fall of one tick shows, however many good ticks follow in the same ten minutes."""
    matrix = Matrix()
    for second, guest in ((0, assessed("a", 1)), (5, narrowed("a", 1)), (10, assessed("a", 1))):
        matrix.note(at(NOW + second, guest))
    matrix.note(at(NOW + STEP, assessed("a", 1)))
    assert tail(matrix, 1, 3) == " ca"


@pytest.mark.parametrize(
    ("freshness", "code"),
    [(Freshness.PARTIAL, "~"), (Freshness.STALE, "~"), (Freshness.IDLE, ".")],
)
def test_what_is_not_known_is_no_band(freshness: Freshness, code: str) -> None:
    """A guest that mostly did not answer is not shown as good, nor one that did not run."""
    matrix = Matrix()
    for second in range(3):
        matrix.note(at(NOW + second, assessed("a", 1, freshness=freshness)))
    matrix.note(at(NOW + 3, assessed("a", 1)))
    assert tail(matrix, 1, 2) == f" {code}"


def test_a_pause_leaves_blanks_and_a_day_is_kept() -> None:
    """Stretches without a tick are blank; what is older than a day is gone, with its guest."""
    matrix = Matrix()
    matrix.note(at(NOW, assessed("a", 1), narrowed("b", 2)))
    matrix.note(at(NOW + 3 * STEP, assessed("a", 1)))
    assert tail(matrix, 1, 5) == " a  a"
    assert tail(matrix, 2, 5) == " c   "
    matrix.note(at(NOW + (COLUMNS + 3) * STEP, assessed("a", 1)))
    assert matrix.row(guest_id(1)).strip() == "a"
    assert not matrix.row(guest_id(2)).strip()
    assert guest_id(2) not in matrix._rows


def test_a_band_that_the_policy_no_longer_has_is_blank() -> None:
    """A guest in it keeps its place in the row, and the others theirs."""
    matrix = Matrix()
    odd = assessed("a", 1, band="gone")
    matrix.note(at(NOW, odd))
    matrix.note(at(NOW + STEP, odd))
    matrix.note(at(NOW + 2 * STEP, assessed("a", 1)))
    assert tail(matrix, 1, 3) == "  a"


def test_a_clock_that_is_set_back_a_little_loses_nothing() -> None:
    """Ticks of the stretch before are counted to that which is under way."""
    matrix = Matrix()
    matrix.note(at(NOW, assessed("a", 1)))
    matrix.note(at(NOW + STEP, assessed("a", 1)))
    matrix.note(at(NOW, narrowed("a", 1)))
    assert tail(matrix, 1, 3) == " ac"
    assert not matrix.lacking.is_set()


def test_what_was_before_this_run_is_filled_in() -> None:
    """History goes where nothing is known yet; a fall in the present stretch is not forgotten."""
    matrix = Matrix()
    matrix.note(at(NOW + 60, assessed("a", 1)))
    times = [NOW - 200 * STEP, NOW - 2 * STEP, NOW - 2 * STEP + 60, NOW - STEP, NOW + 5]
    bands = ["isolated", "trusted", "guarded", "trusted", "restricted"]
    fresh = ["fresh", "fresh", "fresh", "stale", "fresh"]
    none = [None] * len(times)
    line = TimelineDoc(
        guest_id(1), times[0], NOW, None, None, BANDS, times, [60.0] * 5, [1] * 5,
        none, none, none, none, bands, fresh,
    )  # fmt: skip
    matrix.fill(line, BANDS)
    assert tail(matrix, 1, 5) == "  b~c"


async def test_it_is_served_small(served: Served) -> None:
    """A day of 1,000 guests without their names is a few kilobytes, and each tick makes it anew."""
    guests = {each.id: each for each in [assessed(f"a{n}", n) for n in range(1000)]}
    for step in range(COLUMNS):
        fallen = narrowed(f"a{step}", step)
        now = fleet(*{**guests, fallen.id: fallen}.values(), at=NOW + step * STEP)
        served.live.matrix.note(now)
    served.publish(replace(now, tick=8))
    async with served.tcp.get("/v1/matrix", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Encoding"] == "gzip"
        found = orjson.loads(await answer.read())
    assert found["tick"] == 8
    assert found["until"] == NOW + COLUMNS * STEP
    assert found["rows"][guest_id(3)] == "aaac" + "a" * (COLUMNS - 4)
    bands = "\n".join(found["rows"].values()).encode()
    small = len(gzip.compress(bands, 1))
    print(f"bands: {small} bytes; answer: {answer.headers['Content-Length']}")  # noqa: T201
    assert small < 20_000
    served.publish(fleet(assessed("new", 4000), at=NOW + COLUMNS * STEP, tick=9))
    async with served.tcp.get("/v1/matrix") as answer:
        assert (await answer.json())["rows"] == {guest_id(4000): " " * (COLUMNS - 1) + "a"}


async def test_before_the_first_tick_there_is_none(served: Served) -> None:
    """Nothing is made up before anything was seen."""
    async with served.tcp.get("/v1/matrix") as answer:
        assert answer.status == 503


def test_a_clock_that_was_ahead_freezes_nothing() -> None:
    """After one tick of a clock that was days ahead the overview begins anew, says that it lacks
    what was before, and goes on."""
    matrix = Matrix()
    matrix.note(at(NOW, assessed("a", 1)))
    matrix.note(at(NOW + 1000 * STEP, assessed("a", 1)))
    assert not matrix.lacking.is_set()
    matrix.note(at(NOW + STEP, narrowed("a", 1)))
    assert matrix.lacking.is_set()
    assert matrix.row(guest_id(1)).strip() == "c"
    matrix.note(at(NOW + 2 * STEP, assessed("a", 1)))
    assert tail(matrix, 1, 3) == " ca"
