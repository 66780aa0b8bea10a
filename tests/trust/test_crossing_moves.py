"""A crossing that is open when a guest is saved, and the guest when it is back."""

from __future__ import annotations

import numpy as np

from trustd.model import Behaviour, Envelope, FeatureSpec, GuestId, Severity
from trustd.trust import Engine

FEATURES = (FeatureSpec("disk.write.bytes", "bytes/s", "disk"),)
GUEST = GuestId("a")
BEHAVIOUR = Behaviour(
    expect=(Envelope("disk.write.bytes", most=1e6, severity=Severity.MAJOR),), rise=3600.0
)
OVER, INSIDE = np.array([[5e6]]), np.array([[1e3]])


def crossed():
    engine = Engine(FEATURES)
    engine.admit(GUEST, BEHAVIOUR)
    for tick in range(5):
        engine.step(INSIDE, at=1000.0 + tick, seconds=1.0)
    engine.step(OVER, at=1005.0, seconds=1.0)
    assert engine.open_findings(GUEST)
    return engine


def test_crossing_ends_after_the_guest_came_back_from_its_document():
    """A crossing that was open when a guest was saved ends with the first good sample after it was
    restored, and not before."""
    document = crossed().export(GUEST)
    engine = Engine(FEATURES)
    engine.restore(document)
    engine.behave(GUEST, BEHAVIOUR)
    engine.step(OVER, at=1010.0, seconds=1.0)
    assert [each.finding.kind for each in engine.open_findings(GUEST)] == [
        "envelope:disk.write.bytes"
    ]
    engine.step(INSIDE, at=1011.0, seconds=1.0)
    assert engine.open_findings(GUEST) == ()


def test_what_is_over_is_still_named():
    """While an ended crossing fades, the explanation says what it was."""
    engine = crossed()
    engine.step(INSIDE, at=1006.0, seconds=1.0)
    assert engine.open_findings(GUEST) == ()
    (driver, *_) = engine.drivers(0)
    assert driver.name == "past"
    assert "disk.write.bytes at 5 MB/s" in driver.text


def test_crossing_without_a_measurement_stays_open():
    """A restored guest of which nothing is measured keeps its crossing: silence ends nothing."""
    engine = Engine(FEATURES)
    engine.restore(crossed().export(GUEST))
    engine.behave(GUEST, BEHAVIOUR)
    for tick in range(30):
        engine.step(np.array([[np.nan]]), at=1010.0 + 300 * tick, seconds=300.0)
    assert engine.open_findings(GUEST)
