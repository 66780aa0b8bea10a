"""How a test on real guests is tried again, with tests made for it."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

BROKEN_BY_THE_FIRST = """
import itertools
import pytest

pytestmark = pytest.mark.{marker}
tries = itertools.count()
made = []

@pytest.fixture(scope="session")
def hypervisor():
    state = ["well"]
    made.append(state)
    yield state
    state.append("gone")

@pytest.fixture(scope="module")
def guest(hypervisor):
    yield hypervisor

def test_before(guest):
    assert guest == ["well"]

def test_breaks_what_it_has(guest):
    assert guest == ["well"]
    if next(tries) < {failures}:
        guest.append("broken")
        raise ValueError

def test_after(guest):
    assert guest == ["well"]
    assert made[:-1] == [["well", "broken", "gone"]] * {failures}
"""

SETTINGS = """
[pytest]
asyncio_default_fixture_loop_scope = function
markers =
    lab: on real guests
    page: on something else
"""


@pytest.fixture
def tried(pytester: pytest.Pytester):
    """A function that runs those tests with two further tries."""

    def run(*, marker: str = "lab", failures: int = 1) -> dict[str, int]:
        pytester.makepyfile(BROKEN_BY_THE_FIRST.format(marker=marker, failures=failures))
        pytester.makeini(SETTINGS)
        arguments = ("--reruns", "2", "--only-rerun", "LabError", "-p", "tests.lab.tries")
        return pytester.runpytest_inprocess(*arguments).parseoutcomes()

    return run


@pytest.mark.parametrize("failures", [1, 2])
def test_each_further_try_has_everything_anew(tried, failures: int) -> None:
    """What a try broke is gone in the next, whatever its scope, and for the tests after it."""
    assert tried(failures=failures) == {"passed": 3, "rerun": failures}


def test_a_mistake_fails_in_each_try(tried) -> None:
    """What fails every time is a failure."""
    outcome = tried(failures=3)
    assert (outcome["failed"], outcome["rerun"]) == (1, 2)


def test_only_tests_on_guests_are_tried_again_whatever_failed(tried) -> None:
    """Another test that fails has failed; what it broke stays with it."""
    outcome = tried(marker="page")
    assert (outcome["failed"], outcome.get("rerun", 0)) == (2, 0)
