"""With ``--reruns``, a test on real guests that failed is tried again, from nothing.

Emulated guests on a busy machine miss deadlines that have nothing to do with what is tested. A
try that failed leaves its guests and hypervisors in some state between two others, so all that
it had is taken down, and the next try builds everything anew. The report counts every further
try; a mistake of ours fails in each.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

_FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Try tests on real guests again whatever failed in them."""
    if reruns := config.getoption("reruns"):
        for item in items:
            if item.get_closest_marker("lab"):
                item.add_marker(pytest.mark.flaky(reruns=reruns, only_rerun=".*"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when != "teardown" and item.get_closest_marker("flaky"):
        item.stash[_FAILED] = True
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Take down fixtures of every scope after a failure, before others see what is left."""
    if item.stash.get(_FAILED, False):
        del item.stash[_FAILED]
        item.session._setupstate.teardown_exact(None)
