"""What is known of a guest survives restart, upgrade and a move to another host."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.trust.telemetry import FEATURES, GUESTS, TICK, Fleet, flood, last
from trustd.errors import StoreError
from trustd.model import Finding, GuestId, Severity
from trustd.trust import Engine, FeatureSpec

Known = tuple[Engine, Fleet]


def carried(engine: Engine, guest: str) -> dict[str, object]:
    return json.loads(json.dumps(engine.export(GuestId(guest)), allow_nan=False))


def test_a_guest_keeps_its_standing_on_another_host(known: Known) -> None:
    """Trust, baselines and records arrive: it is trusted, and its flood is seen at once."""
    engine, fleet = known
    trust = last(fleet.run(engine, 1)).trust[5]
    there = Engine(FEATURES)
    guest = there.restore(carried(engine, "5"))
    assert there.guests == (guest,) == ("5",)
    trusts = []
    for _ in range(6):
        values, at = fleet.tick()
        trusts.append(there.step(flood(values, 5)[5:6], at=at, seconds=TICK).trust[0])
    assert trusts[0] <= trust
    assert min(trusts) < 0.5


def test_a_bad_guest_is_as_bad_on_another_host(known: Known) -> None:
    """Moving launders nothing: open findings and trust move along."""
    engine, fleet = known
    values, at = fleet.tick()
    bad = Finding(GuestId("5"), "odd", Severity.CRITICAL, "x", "test", at, "odd", holds=7200.0)
    engine.step(values, at=at, seconds=TICK, findings=[bad])
    there = Engine(FEATURES)
    there.restore(carried(engine, "5"))
    values, at = fleet.tick()
    scores = there.step(values[5:6], at=at, seconds=TICK)
    assert scores.trust[0] <= 0.15
    assert [each.finding.kind for each in there.open_findings(GuestId("5"))] == ["odd"]


def test_a_document_never_betters_a_guest_that_is_known(known: Known) -> None:
    """A good document over a bad guest leaves it as bad as it is."""
    engine, fleet = known
    good = carried(engine, "5")
    for _ in range(6):
        values, at = fleet.tick()
        low = engine.step(flood(values, 5), at=at, seconds=TICK).trust[5]
    engine.restore(good)
    assert last(fleet.run(engine, 1)).trust[5] <= low + 0.05 / 12 + 1e-9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 99}, "version 99"),
        ({"format": "other"}, "no guest's document"),
        ({"families": []}, "damaged"),
        ({"sha256": "0"}, "digest"),
    ],
)
def test_a_damaged_document_is_refused_and_changes_nothing(
    known: Known, change: dict[str, object], words: str
) -> None:
    """Unknown versions and damage are named; the engine is as it was."""
    engine, _ = known
    before = engine.dump()
    with pytest.raises(StoreError, match=words):
        engine.restore({**carried(engine, "5"), **change})
    assert engine.dump() == before


@pytest.mark.parametrize("where", [0, 5, 20, 60, 5000, -1])
def test_a_damaged_dump_is_refused(known: Known, where: int) -> None:
    """One flipped byte anywhere is noticed."""
    data = bytearray(known[0].dump())
    data[where] ^= 1
    with pytest.raises(StoreError, match=r"damaged|no saved state"):
        Engine.load(bytes(data))


def test_a_truncated_dump_is_refused(known: Known) -> None:
    """A dump that was cut off is damaged, and so is nothing at all."""
    data = known[0].dump()
    for cut in (b"", data[:10], data[: len(data) // 2]):
        with pytest.raises(StoreError):
            Engine.load(cut)


def test_features_are_matched_by_name(known: Known) -> None:
    """Columns may move, vanish and appear; what is known follows its name."""
    engine, fleet = known
    order = [5, 0, 3]
    features = [*(FEATURES[place] for place in order), FeatureSpec("gpu", "%", "gpu")]
    moved = Engine.load(engine.dump(), features=features)
    values, at = fleet.tick()
    seen = np.concatenate([values[:, order], np.full((GUESTS, 1), 3.0)], axis=1)
    scores = moved.step(seen, at=at, seconds=TICK)
    assert scores.evidence.shape == (GUESTS, 4)
    assert scores.trust.min() > 0.8
    assert scores.evidence.max() < 0.5


def test_a_feature_in_another_unit_is_another_feature(known: Known) -> None:
    """A document in bytes does not teach a column of percentages."""
    engine, _ = known
    features = [FeatureSpec("net.tx.bytes", "%", "network"), FEATURES[0]]
    there = Engine(features)
    there.restore(carried(engine, "5"))
    expected = {term.signal: term.record for term in there.explain(0).terms}
    assert expected["net.tx.bytes"] == 0.0
    assert expected["cpu.usage"] > 1.0
