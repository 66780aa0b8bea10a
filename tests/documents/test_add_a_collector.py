"""The collector of the how-to is one."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conformance.plugins import collect, whole
from tests.documents.blocks import blocks
from trustd.model import GapReason
from trustd.plugins import GROUP
from trustd.spi import Collector

PAGE = Path(__file__).parents[2] / "docs/howto/add-a-collector.md"


def block(language: str) -> str:
    (found,) = [each.text for each in blocks(PAGE) if each.language == language]
    return found


@pytest.fixture
def make() -> Callable[[], Collector]:
    """The class that the page's entry point names, from the page's code."""
    entries = tomllib.loads(block("toml"))["project"]["entry-points"][GROUP]
    ((name, target),) = entries.items()
    module, _, kind = target.partition(":")
    assert f"`{module}.py`" in PAGE.read_text("utf-8")
    names: dict[str, Callable[[], Collector]] = {}
    exec(compile(block("python"), str(PAGE), "exec"), names)  # noqa: S102 - our own page
    assert names[kind]().name == name
    return names[kind]


def test_it_measures(make: Callable[[], Collector]) -> None:
    """Two vCPUs that each waited 10 ns in 2 s: the share of all of their time, in percent."""
    assert isinstance(make(), Collector)
    columns = collect(make, [whole(0)], [whole(1)])
    assert columns.values[0, 0] == pytest.approx(100 * 20e-9 / (2 * 2.0))


def test_it_gives_gaps_and_no_zeros(make: Callable[[], Collector]) -> None:
    """Without an earlier reply, and of a paused guest, there is no number but a reason."""
    paused = whole(0) | {"state.state": 3}
    columns = collect(make, [{}, whole(0)], [whole(1), paused], [np.nan, 2.0])
    assert columns.gaps[:, 0].tolist() == [GapReason.FIRST, GapReason.NOT_RUNNING]
