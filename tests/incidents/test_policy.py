"""What a policy says of incidents, and what holds where it says nothing."""

from __future__ import annotations

import pytest

from tests.pipeline.scripted import CALM, policy_of
from trustd.errors import PolicyError
from trustd.model import Severity
from trustd.model.incident import Trigger
from trustd.pipeline.incident_rules import Rules


def test_nothing_said_means_the_last_two_bands():
    """Of four bands the last two are low, the last one critical, with 15 minutes and 4 hours."""
    rules = Rules(policy_of(CALM))
    assert [rules.low(band) for band in ("trusted", "guarded", "restricted", "isolated")] == [
        False,
        False,
        True,
        True,
    ]
    assert rules.severity(Trigger(low="restricted")) is Severity.MAJOR
    assert rules.severity(Trigger(low="isolated")) is Severity.CRITICAL
    assert rules.severity(Trigger(held=True)) is Severity.CRITICAL
    assert rules.due(Severity.CRITICAL, 100.0) == 1000.0
    assert rules.due(Severity.MAJOR, 100.0) == 14500.0
    assert rules.due(Severity.MINOR, 100.0) is None
    assert rules.resolve is None


def test_gravest_counts():
    """With several things the matter, the gravest gives the severity."""
    rules = Rules(policy_of(CALM + "\nincidents: {severities: {isolated: minor}, hold: info}\n"))
    assert rules.severity(Trigger(low="isolated")) is Severity.MINOR
    assert rules.severity(Trigger(low="isolated", held=True)) is Severity.MINOR
    assert rules.severity(Trigger(low="isolated", critical=frozenset({"x"}))) is Severity.CRITICAL


def test_worse_is_what_was_not_there():
    """A worse band, another critical finding, a hold; not what lasts, nor what is better."""
    rules = Rules(policy_of(CALM))
    low, lower = Trigger(low="restricted"), Trigger(low="isolated")
    assert rules.worse(low, Trigger())
    assert rules.worse(lower, low)
    assert rules.worse(Trigger(critical=frozenset("ab")), Trigger(critical=frozenset("a")))
    assert rules.worse(Trigger(held=True), Trigger())
    assert not rules.worse(low, lower)
    assert not rules.worse(low, low)
    assert not rules.worse(Trigger(critical=frozenset("a")), Trigger(critical=frozenset("ab")))
    assert not rules.worse(Trigger(), low)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("open_at: lowest", "incidents.open_at"),
        ("severities: {lowest: major}", "incidents.severities.lowest"),
        ("respond: {grave: 1h}", "incidents.respond.grave"),
        ("reopen: soon", "incidents.reopen"),
        ("open: guarded", "incidents.open"),
    ],
)
def test_mistakes_are_told_with_their_place(text, key):
    """A band, a severity, a time or a key that is none is refused where it stands."""
    with pytest.raises(PolicyError) as caught:
        policy_of(f"{CALM}\nincidents: {{{text}}}\n")
    assert caught.value.problems[0].key.startswith(key)
    assert caught.value.problems[0].line == len(CALM.splitlines()) + 2
