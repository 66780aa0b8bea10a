"""What an heir takes over: what speaks against the other, and nothing that speaks for it."""

from __future__ import annotations

import pytest

from tests.trust.telemetry import FEATURES, GUESTS, TICK, Fleet, flood, last
from trustd.model import Finding, GuestId, Severity
from trustd.trust import Engine

Known = tuple[Engine, Fleet]
BAD, GOOD, HEIR = GuestId("5"), GuestId("6"), GuestId("heir")


def critical(at: float, guest: GuestId = BAD, holds: float = 7200.0) -> Finding:
    return Finding(guest, "odd", Severity.CRITICAL, "agent", "test", at, "odd", holds=holds)


def column(engine: Engine, name: str, guest: GuestId) -> float:
    return float(engine._roster.table.row(name, engine.row(guest)).sum())


def test_a_newcomer_takes_over_guilt_and_nothing_earned(known: Known) -> None:
    """The heir of a guest that crossed and has a critical finding is trusted no more than that one,
    under the same finding; it has none of its good evidence, age or habits."""
    engine, fleet = known
    for _ in range(6):
        values, at = fleet.tick()
        scores = engine.step(flood(values, 5), at=at, seconds=TICK, findings=[critical(at)])
    low = float(scores.trust[5])
    engine.admit(HEIR)
    assert engine.inherit(HEIR, engine.export(BAD)) == pytest.approx(low)
    assert [each.finding.guest for each in engine.open_findings(HEIR)] == [HEIR]
    assert engine.explain(HEIR).trust <= low
    assert column(engine, "latch", HEIR) == column(engine, "latch", BAD) > 1.0
    for earned in ("good", "age", "record", "level.seen"):
        assert column(engine, earned, HEIR) == 0.0 < column(engine, earned, BAD)


def test_a_known_guest_keeps_its_own_and_gets_the_worse(known: Known) -> None:
    """A trusted guest that takes over falls at once, and keeps what it earned as evidence."""
    engine, fleet = known
    values, at = fleet.tick()
    low = engine.step(values, at=at, seconds=TICK, findings=[critical(at)]).trust[5]
    earned = column(engine, "good", GOOD)
    engine.inherit(GOOD, engine.export(BAD))
    assert column(engine, "good", GOOD) == earned
    assert last(fleet.run(engine, 1)).trust[6] <= low


def test_there_is_nothing_to_take_over_from_a_good_guest(known: Known) -> None:
    """A guest against which nothing is held gives its heir nothing at all."""
    engine, _ = known
    engine.admit(HEIR)
    before = engine.export(HEIR)
    assert engine.inherit(HEIR, engine.export(GOOD)) is None
    assert engine.export(HEIR) == before


def test_of_two_findings_alike_the_worse_part_of_each_counts(known: Known) -> None:
    """An heir's own longer finding is not shortened by one that it takes over."""
    engine, fleet = known
    values, at = fleet.tick()
    both = [critical(at), critical(at, GOOD, holds=30 * TICK)]
    engine.step(values, at=at, seconds=TICK, findings=both)
    engine.inherit(GOOD, engine.export(BAD))
    scores = last(fleet.run(engine, 28))
    assert scores.trust[6] <= 0.15
    assert engine.open_findings(GOOD)
    assert not engine.open_findings(BAD)


def test_an_heir_of_another_engine_has_the_same_evidence(known: Known) -> None:
    """A document of a guest that is gone does as well, also with a family that is new here."""
    engine, fleet = known
    values, at = fleet.tick()
    engine.step(values, at=at, seconds=TICK, findings=[critical(at)])
    there = Engine(FEATURES, GUESTS)
    there.admit(HEIR)
    assert there.inherit(HEIR, engine.export(BAD)) is not None
    assert column(there, "bad", HEIR) == pytest.approx(column(engine, "bad", BAD))
