"""A score is a sum of stored terms, and they are told in real units."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trust.telemetry import TICK, Fleet, flood, last
from trustd.model import Finding, GuestId, Severity
from trustd.trust import Engine

Known = tuple[Engine, Fleet]


def test_a_flood_is_explained_in_real_units(known: Known) -> None:
    """Value, expectation, rarity, record and share of the right signal come first."""
    engine, fleet = known
    for _ in range(6):
        values, at = fleet.tick()
        engine.step(flood(values, 5), at=at, seconds=TICK)
    explained = engine.explain(GuestId("5"))
    first = explained.terms[0]
    assert first.signal == "net.tx.bytes"
    assert first.value == pytest.approx(11e6, rel=0.1)
    assert 5e3 < first.expected < 100e3
    assert first.record < 1e6
    assert 0 < first.rarity < 0.1
    assert at - 3600 <= first.since <= at
    assert sum(term.share for term in explained.terms) == pytest.approx(1.0)
    assert "11 MB/s" in first.text
    assert any("net.tx.bytes" in line for line in explained.restore)


def test_what_is_past_keeps_its_name_until_trust_is_back(known: Known) -> None:
    """Hours after the flood the drivers still name it."""
    engine, fleet = known
    for _ in range(6):
        values, at = fleet.tick()
        engine.step(flood(values, 5), at=at, seconds=TICK)
    scores = last(fleet.run(engine, 40))
    assert not scores.clean[5]
    assert engine.drivers(5)[0].name == "net.tx.bytes"


def test_shares_of_findings_and_signals_add_up_to_one(known: Known) -> None:
    """Drivers of a guest with both are shares of one whole."""
    engine, fleet = known
    for _ in range(6):
        values, at = fleet.tick()
        bad = Finding(GuestId("5"), "odd", Severity.MAJOR, "x", "test", at, "odd")
        engine.step(flood(values, 5), at=at, seconds=TICK, findings=[bad])
    drivers = engine.drivers(5, most=99)
    assert {"odd", "net.tx.bytes"} <= {driver.name for driver in drivers}
    assert sum(driver.share for driver in drivers) == pytest.approx(1.0)


def test_a_clean_guest_has_no_drivers(known: Known) -> None:
    """Nothing against it: clean, no drivers, nothing to restore."""
    engine, fleet = known
    scores = last(fleet.run(engine, 12))
    row = int(np.argmax(scores.trust))
    assert scores.clean[row]
    assert engine.explain(row).restore == ()


def test_the_earliest_return_is_kept(known: Known) -> None:
    """Trust is not back before the time that was told, and soon after it."""
    engine, fleet = known
    values, at = fleet.tick()
    bad = Finding(GuestId("5"), "odd", Severity.CRITICAL, "x", "test", at, "odd", holds=TICK)
    engine.step(values, at=at, seconds=TICK, findings=[bad])
    last(fleet.run(engine, 1))
    told = engine.explain(5).earliest
    for scores in fleet.run(engine, 2000):
        if scores.trust[5] >= 0.8:
            break
    assert told <= fleet.at + TICK
    assert fleet.at <= told + 6 * 3600
