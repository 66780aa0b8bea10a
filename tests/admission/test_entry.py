"""Admission is a pure function: of the policy, the guest's band, and who runs or is about to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decisions.serving import guest, policy, world
from trustd.decisions.entry import ENTRY, MANAGEMENT, Visitor, admit
from trustd.decisions.reservations import HOLD, Reservations
from trustd.model import Mode
from trustd.policy.walls import occupancy

TEXT = (Path(__file__).parent / "policy.yaml").read_text("utf-8")
GATE = policy(TEXT)
RED, BLUE = {"client": "red"}, {"client": "blue"}


def visitor(band: str, policy=GATE, **labels: str) -> Visitor:
    subject = policy.subject("guest", "00000000-0000-0000-0000-000000000009", labels or RED)
    assert subject is not None
    return Visitor(subject, band)


@pytest.mark.parametrize(
    ("band", "enters", "managed"),
    [("trusted", True, True), ("doubted", True, False), ("outcast", False, False)],
)
def test_what_a_band_shuts_stays_shut_below_it(band, enters, managed):
    """start: false and manage: false hold in their band and in every worse one; a band that the
    policy does not know is its last."""
    assert admit(GATE, visitor(band), ENTRY).permit is enters
    assert admit(GATE, visitor(band), MANAGEMENT).permit is managed
    assert not admit(GATE, visitor("unheard-of"), ENTRY).permit


@given(
    flags=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=3, max_size=3),
    runs=st.sets(st.sampled_from(["red", "blue", "green"])),
    value=st.sampled_from(["red", "blue", "green", ""]),
)
def test_a_lower_band_never_opens_a_door(flags, runs, value):
    """For every policy, host and guest: who is let in, or may be managed, in a band would be in
    every better one."""
    text = TEXT.replace(", manage: false", "").replace(", start: false", "")
    for name, (start, manage) in zip(("trusted", "doubted", "outcast"), flags, strict=True):
        shut = f"{{name: {name}, start: {start}, manage: {manage}".replace("T", "t").replace(
            "F", "f"
        )
        text = text.replace(f"{{name: {name}", shut)
    made = policy(text)
    occupied = occupancy(
        made.walls, {each: made.values(each, {"client": each}) for each in sorted(runs)}
    )
    for checks in (ENTRY, MANAGEMENT):
        permits = [
            admit(made, visitor(band, made, client=value), checks, occupied).permit
            for band in made.bands
        ]
        assert permits == sorted(permits, reverse=True)


def test_observe_mode_permits_and_tells():
    """In observe mode nothing is refused, and the objection is told all the same."""
    watching = policy(TEXT.replace("mode: enforce", "mode: observe"))
    told = admit(watching, visitor("outcast", watching), ENTRY)
    assert told.permit
    assert told.mode is Mode.OBSERVE
    assert told.reason == "band-start"


def test_a_protected_guest_meets_walls_but_no_band():
    """Protection lifts what a band shuts; a wall is no matter of trust."""
    safe = policy(TEXT + "\nprotect:\n  - {select: {app: web}}\n")
    who = visitor("outcast", safe, app="web", client="red")
    assert admit(safe, who, ENTRY).permit
    assert admit(safe, who, MANAGEMENT).permit
    occupied = occupancy(safe.walls, {"other": safe.values("other", BLUE)})
    assert admit(safe, who, ENTRY, occupied).reason == "wall"


def test_the_first_objection_counts():
    """Checks are asked in their order; a further one is added by adding it."""
    asked = []

    def listening(policy, visitor, occupied):
        asked.append(visitor.band)

    assert admit(GATE, visitor("outcast"), (listening, *ENTRY, listening)).reason == "band-start"
    assert asked == ["outcast"]


def at(clock: float, *guests, **options):
    """The world of a tick at this moment, in which these run."""
    found = world(GATE, dict.fromkeys(guests, "trusted"))
    running = {each.id: GATE.values(each.id, each.labels) for each in guests}
    return replace(found, clock=clock, running=running, **options)


def test_a_place_is_kept_until_the_guest_is_seen_or_too_late():
    """From the answer on a guest counts as running: through ticks that do not see it yet, as
    itself once one does, and no longer than the hold where it never comes."""
    red, places = guest(1, client="red"), Reservations()
    places.let_in(red.id, RED, 10.0)
    for clock in (10.0, 12.0, 200.0, 10.0 + HOLD):
        assert places.running(at(clock - 1), clock) == {red.id: GATE.values(red.id, RED)}
    assert places.running(at(12 + HOLD), 12 + HOLD) == {}

    places.let_in(red.id, RED, 500.0)
    assert red.id in places.running(at(501.0, red), 501.0)
    # seen, and gone at the next look: nothing keeps its place
    assert places.running(at(502.0), 502.0) == {}


def test_a_look_that_is_older_than_the_place_does_not_end_it():
    """A guest that stopped and starts again is not taken for gone by what was seen before."""
    red, places = guest(1, client="red"), Reservations()
    places.let_in(red.id, RED, 10.0)
    places.running(at(9.0, red), 10.5)
    assert red.id in places.running(at(11.0), 11.0)


def test_who_left_is_gone_at_once():
    """A guest that left keeps nobody out, although the last tick saw it; if it is there at the
    next one, it runs."""
    red, places = guest(1, client="red"), Reservations()
    assert red.id in places.running(at(10.0, red), 11.0)
    places.left(red.id, 12.0)
    assert places.running(at(10.0, red), 12.5) == {}
    assert red.id in places.running(at(15.0, red), 15.5)
    places.let_in(red.id, RED, 16.0)
    places.left(red.id, 17.0)
    places.let_in(red.id, RED, 18.0)
    assert red.id in places.running(at(15.0, red), 18.0)
