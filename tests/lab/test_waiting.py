"""How tests wait for what comes later."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.lab.errors import LabError
from tests.lab.waiting import wait_until


def later(*outcomes: object) -> Callable[[], bool]:
    """A condition that raises or returns these, one after the other, and the last for ever."""
    left = list(outcomes)

    def condition() -> bool:
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return bool(outcome)

    return condition


def test_who_asks_too_early_waits() -> None:
    """Nobody there, a command that fails, half a document and a missing key are "not yet"."""
    early = (
        ConnectionRefusedError(),
        FileNotFoundError(),
        LabError("ended with 69"),
        json.JSONDecodeError("half of it", "{", 1),
        KeyError("up"),
        IndexError(),
    )
    wait_until(later(*early, False, True), "it came", seconds=30)


def test_what_was_wrong_to_the_end_is_told() -> None:
    """When time is up the error names the condition and the last thing that stood in its way."""
    told = r"not within 0 s: it is up; at last OSError: away"
    with pytest.raises(LabError, match=told) as caught:
        wait_until(later(OSError("away")), "it is up", seconds=0)
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(LabError, match=r"not within 0 s: it is up$"):
        wait_until(later(False), "it is up", seconds=0)


@pytest.mark.parametrize("mistake", [TypeError("no such argument"), AssertionError("two of them")])
def test_a_mistake_is_not_waited_for(mistake: Exception) -> None:
    """An error that time does not mend is raised at once, as it is."""
    with pytest.raises(type(mistake), match=str(mistake)):
        wait_until(later(mistake, True), "it is up", seconds=30)
