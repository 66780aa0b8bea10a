"""Fixtures for all tests."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.lab.fixtures"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--reruns``, a test on real guests is tried once more whatever failed in it.

    Emulated guests on a busy machine miss deadlines that have nothing to do with what is
    tested. The report counts every second try; a mistake of ours fails twice.
    """
    if config.getoption("reruns"):
        for item in items:
            if item.get_closest_marker("lab"):
                item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=".*"))
