"""Stated envelopes and findings act within their tick and end when they should."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from trustd.model import Behaviour, Envelope, Finding, GuestId, Severity
from trustd.trust import Engine, FeatureSpec, Scores

GUEST = GuestId("guest")
FEATURES = (
    FeatureSpec("net.tx.bytes", "B/s", "network"),
    FeatureSpec("cpu.usage", "%", "cpu"),
)
FAST = {"warmup": 20.0, "good_half_life": 600.0, "bad_half_life": 28.0, "rise": 120.0}


class Line:
    """One guest with a fast policy, ticked every two seconds."""

    def __init__(self, **terms: object) -> None:
        self.engine = Engine(FEATURES)
        self.engine.admit(GUEST, Behaviour(**{**FAST, **terms}))
        self.at = 1e9

    def tick(self, tx: float, count: int = 1, findings: tuple[Finding, ...] = ()) -> Scores:
        for _ in range(count):
            self.at += 2.0
            scores = self.engine.step([[tx, 5.0]], at=self.at, seconds=2.0, findings=findings)
        return scores

    def found(self, severity: Severity, holds: float = 10.0, kind: str = "odd") -> Finding:
        return Finding(GUEST, kind, severity, "agent", "test", self.at, "odd", holds=holds)

    @property
    def open(self) -> list[str]:
        return [each.finding.kind for each in self.engine.open_findings(GUEST)]


def test_one_sample_over_an_unsustained_envelope_acts_in_its_tick() -> None:
    """With no time to sustain, the first bad sample bounds trust in the same step."""
    line = Line(expect=(Envelope("net.tx.bytes", most=1e6, severity=Severity.CRITICAL),))
    assert line.tick(1e3, 60).trust[0] > 0.8
    assert line.tick(5e6).trust[0] <= 0.15
    assert line.open == ["envelope:net.tx.bytes"]
    assert line.engine.drivers(0)[0].name == "envelope:net.tx.bytes"
    assert "5 MB/s" in line.engine.drivers(0)[0].text


def test_a_sustained_envelope_waits_and_closes_after_as_long_inside() -> None:
    """Crossed for ten seconds it opens; it ends after ten seconds inside."""
    line = Line(expect=(Envelope("net.tx.bytes", most=1e6, sustained=10.0),))
    line.tick(1e3, 10)
    line.tick(5e6, 4)
    assert not line.open
    line.tick(5e6)
    assert line.open
    line.tick(1e3, 4)
    assert line.open
    line.tick(1e3)
    assert not line.open


def test_pausing_now_and_then_does_not_evade_an_envelope() -> None:
    """Over the bound for two thirds of the time is over it."""
    line = Line(expect=(Envelope("net.tx.bytes", most=1e6, sustained=20.0),))
    for _ in range(12):
        line.tick(5e6, 2)
        line.tick(1e3, 1)
    assert line.open


def test_too_little_crosses_too() -> None:
    """A stated least is a bound like a stated most."""
    line = Line(expect=(Envelope("net.tx.bytes", least=100.0),))
    line.tick(1e3)
    assert not line.open
    line.tick(1.0)
    assert line.open


def test_a_gap_neither_opens_nor_closes() -> None:
    """Without measurements an envelope stands as it stood, for an hour at most."""
    line = Line(expect=(Envelope("net.tx.bytes", most=1e6),))
    line.tick(nan, 5)
    assert not line.open
    line.tick(5e6)
    line.tick(nan, 5)
    assert line.open
    line.tick(nan, 1800)
    assert not line.open


def test_recovery_takes_seconds_where_the_policy_says_so() -> None:
    """With short half-lives and a fast rise, trust is back within forty seconds."""
    line = Line(expect=(Envelope("net.tx.bytes", most=1e6, severity=Severity.CRITICAL),))
    line.tick(1e3, 120)
    line.tick(5e6, 10)
    scores = line.tick(1e3, 20)
    assert scores.trust[0] > 0.8


def test_a_finding_reported_again_is_the_same_finding() -> None:
    """Ten reports are one finding; its evidence counts once."""
    once, often = Line(), Line()
    once.tick(1e3, findings=(once.found(Severity.MAJOR, holds=100.0),))
    once.tick(1e3, 9)
    for _ in range(10):
        often.tick(1e3, findings=(often.found(Severity.MAJOR, holds=100.0),))
    assert len(often.engine.open_findings(GUEST)) == 1
    table = [each.engine.export(GUEST)["columns"]["bad"][2] for each in (once, often)]
    assert table[0] == table[1]


def test_a_finding_ends_when_it_is_no_longer_reported() -> None:
    """It stays open for its time after the last report, and its ceiling with it."""
    line = Line()
    line.tick(1e3, 60)
    line.tick(1e3, findings=(line.found(Severity.CRITICAL, holds=10.0),))
    assert line.tick(1e3, 4).ceiling[0] == pytest.approx(0.15)
    assert line.tick(1e3, 1).ceiling[0] == 1.0


def test_a_finding_for_ever_ends_by_acknowledgement_only() -> None:
    """Infinite: open after a day and after an operator confirmed it, gone when one cleared it."""
    line = Line()
    line.tick(1e3, findings=(line.found(Severity.CRITICAL, holds=inf),))
    line.engine.step([[1e3, 5.0]], at=line.at + 86400, seconds=86400.0)
    assert line.open
    line.engine.acknowledge(GUEST, "attack", at=line.at + 86400)
    assert line.open
    line.engine.acknowledge(GUEST, "benign", at=line.at + 86400)
    assert not line.open


def test_the_policy_judges_a_kind_instead_of_its_source() -> None:
    """A kind that the policy calls critical is critical, and may be milder too."""
    line = Line(findings={"odd": Severity.CRITICAL, "loud": Severity.INFO})
    line.tick(1e3, 60)
    mild = line.tick(1e3, findings=(line.found(Severity.CRITICAL, kind="loud"),))
    assert mild.trust[0] > 0.8
    assert line.tick(1e3, findings=(line.found(Severity.MINOR),)).trust[0] <= 0.15


def test_an_envelope_that_is_no_longer_stated_is_no_longer_held() -> None:
    """A policy without the bound ends its finding at once."""
    line = Line(expect=(Envelope("net.tx.bytes", most=1e6),))
    line.tick(5e6)
    assert line.open
    line.engine.behave(GUEST, Behaviour(**FAST))
    assert not line.open
    line.tick(5e6)
    assert not line.open


@pytest.mark.slow
def test_ignored_features_say_nothing() -> None:
    """A role that may burn its processor is not held to account for it."""
    trusts = {}
    for ignore in (frozenset(), frozenset({"cpu.usage"})):
        engine = Engine(FEATURES)
        engine.admit(GUEST, Behaviour(ignore=ignore))
        for tick in range(2000):
            cpu = 5.0 + tick % 3 if tick < 1900 else 98.0
            at = 1e9 + 300.0 * tick
            scores = engine.step([[1e3, cpu]], at=at, seconds=300.0)
        trusts[bool(ignore)] = scores.trust[0]
    assert trusts[False] < 0.5 < trusts[True]


def test_each_guest_may_have_its_own_seconds() -> None:
    """Seconds of shape (guests,) count for each guest's own envelope."""
    engine = Engine(FEATURES)
    terms = Behaviour(expect=(Envelope("net.tx.bytes", most=1e6, sustained=30.0),))
    for guest in ("a", "b"):
        engine.admit(GuestId(guest), terms)
    engine.step([[5e6, 1.0], [5e6, 1.0]], at=1e9, seconds=np.array([5.0, 40.0]))
    assert not engine.open_findings(GuestId("a"))
    assert engine.open_findings(GuestId("b"))


def test_a_finding_of_a_stranger_is_passed_over() -> None:
    """A finding of a guest that was retired meanwhile disturbs nothing."""
    line = Line()
    stranger = Finding(GuestId("gone"), "odd", Severity.CRITICAL, "x", "test", 1e9, "odd")
    assert line.tick(1e3, findings=(stranger,)).ceiling[0] == 1.0
