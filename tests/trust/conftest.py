"""A fleet that was watched for ten days, made once and loaded by each test."""

from __future__ import annotations

import pytest

from tests.trust.telemetry import DAY, FEATURES, GUESTS, TICK, Fleet, last
from trustd.trust import Engine

DAYS = 10


@pytest.fixture(scope="session")
def saved() -> tuple[bytes, float]:
    """The engine after ten days, as bytes, and the time."""
    engine, fleet = Engine(FEATURES, GUESTS), Fleet()
    last(fleet.run(engine, round(DAYS * DAY / TICK)))
    return engine.dump(), fleet.at


@pytest.fixture
def known(saved: tuple[bytes, float]) -> tuple[Engine, Fleet]:
    """An engine that knows its fleet, and the fleet as it goes on."""
    data, at = saved
    return Engine.load(data), Fleet(seed=2, at=at)
