"""What others do to a guest, and what a guest cannot make of its findings."""

from __future__ import annotations

from math import inf

import numpy as np

from trustd.model import Behaviour, Envelope, FeatureSpec, Finding, GuestId, Severity
from trustd.trust import Engine

RECEIVED = FeatureSpec("net.rx.bytes", "bytes/s", "network", suffered=True)
SENT = FeatureSpec("net.tx.bytes", "bytes/s", "network")
GUEST = GuestId("a")
DAYS = 6


def flooded(features, behaviour=None):
    """A guest's trust after days of calm and an hour of ten megabytes a second."""
    engine = Engine(features)
    engine.admit(GUEST, behaviour)
    at = 1_790_000_000.0
    for _ in range(DAYS * 288):
        at += 300.0
        engine.step(np.array([[1e3] * len(features)]), at=at, seconds=300.0)
    for _ in range(12):
        at += 300.0
        scores = engine.step(np.array([[1e7] * len(features)]), at=at, seconds=300.0)
    return float(scores.trust[0])


def test_what_is_received_is_no_evidence():
    """A flood that a guest receives moves nothing; the same flood sent does."""
    assert flooded([RECEIVED]) > 0.85
    assert flooded([SENT]) < 0.6


def test_stated_envelope_bounds_what_is_received():
    """Where the operator states a bound for it, crossing it counts."""
    behaviour = Behaviour(expect=(Envelope("net.rx.bytes", most=1e6, severity=Severity.MAJOR),))
    assert flooded([RECEIVED], behaviour) <= 0.5


def test_findings_of_one_guest_are_bounded():
    """Whoever chooses the keys of findings fills no memory: beyond a number they are folded."""
    engine = Engine([SENT])
    engine.admit(GUEST)
    for number in range(5000):
        finding = Finding(
            GUEST, "emulator-listener", Severity.CRITICAL, "emulator", "emulator", float(number),
            "listens", key=str(number), holds=inf,
        )  # fmt: skip
        engine.step(np.array([[1.0]]), at=float(number), seconds=1.0, findings=[finding])
    assert len(engine.open_findings(GUEST)) <= 65
    assert engine.step(np.array([[1.0]]), at=5001.0, seconds=1.0).trust[0] <= 0.15
