"""Recorded history through a policy: the same one changes nothing, another one what it says."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.backtest.stage import ADA, Kept
from tests.pipeline.scripted import CALM, INTERVAL, TOO_MUCH, guest_id, web
from trustd.model import GuestState, Mode, OutcomeStatus, Pause, Term
from trustd.pipeline.backtest import Change, State

A, B, C = (guest_id(number) for number in range(3))
TIGHT = CALM.replace("{max: 10, percent: 100, per: 1m}", "{max: 1, percent: 20, per: 1m}")
SEEDS = 3
WATCHED = CALM.replace("mode: enforce", "mode: observe")


@pytest.fixture
def keep(tmp_path, monkeypatch):
    """Makes hosts whose history is kept."""
    made = []

    def make(guests=3, policy=CALM):
        directory = tmp_path / f"host-{len(made)}"
        directory.mkdir()
        host = Kept(directory, [web(number) for number in range(guests)], policy, monkeypatch)
        host.start()
        made.append(host)
        return host

    yield make
    for host in made:
        host.stop()


def fall(host, *guests, ticks=3, rest=30):
    host.hypervisor.writes.update(dict.fromkeys(guests, TOO_MUCH))
    host.tick(ticks)
    host.hypervisor.writes.clear()
    host.tick(rest)


def lived(host, guest):
    """The guest's ticks by themselves: its band, and how far it was narrowed."""
    found = {}
    for fleet in host.fleets:
        seen = fleet.guests.get(guest)
        if seen is None or seen.freshness == "idle" or seen.band == fleet.bands[0]:
            continue
        protected = seen.ordered.protection is not None
        state = State.FREE if protected else State.NARROWED
        if not protected and any(each.status is OutcomeStatus.WITHHELD for each in seen.outcomes):
            state = State.HELD
        if not protected and seen.mode is Mode.OBSERVE:
            state = State.OBSERVED
        if state is not State.FREE:
            found[fleet.at] = state
    return found


def begins(ticks, every):
    """When the stretches of such ticks begin."""
    order = [at for at, _ in every]
    before = dict(zip(order[1:], order, strict=False))
    return [at for at in sorted(ticks) if before.get(at) not in ticks]


def agrees(host, report):
    """What would have been and what is said to have been are what the ticks were."""
    for guest, book in report.books.items():
        ticks = lived(host, guest)
        there = [(fleet.at, None) for fleet in host.fleets if guest in fleet.guests]
        for world in (book.now, book.was):
            assert [each.begin for each in world.stretches] == begins(ticks, there), guest
        assert (book.differences, book.edges) == ([], 0), guest
    assert set(report.books) == {id_ for fleet in host.fleets for id_ in fleet.guests}


def test_the_same_policy_changes_nothing(keep):
    """A guest falls and rises twice: the same policy narrows it at the same ticks, for as long,
    and says why."""
    host = keep()
    host.tick(10)
    fall(host, A)
    fall(host, A, B, ticks=6)
    report = host.replayed(CALM)
    agrees(host, report)
    book = report.books[A]
    assert len(book.now.stretches) == 2
    for now, was in zip(book.now.stretches, book.was.stretches, strict=True):
        assert (now.begin, now.end, now.seconds, now.band) == (
            was.begin,
            was.end,
            was.seconds,
            was.band,
        )
        assert set(now.seconds) == {State.NARROWED}
    first = book.now.stretches[0]
    assert first.why == "trust 0.35, below 0.45 where trusted ends"
    assert first.levers == ("disk-throttle",)
    assert first.lost == ("write",)
    assert "above the stated 4.19 MB/s" in first.drivers[0]
    assert not report.books[C].now.stretches


def offend(host, guest, dice):
    host.hypervisor.writes[guest] = TOO_MUCH


def behave(host, guest, dice):
    host.hypervisor.writes.clear()


def restart(host, guest, dice):
    host.restart(off=dice.choice([1.0, 700.0]))


def override(host, guest, dice):
    orders = [("at-most", "restricted"), ("at-least", "trusted"), ("pin", "guarded")]
    if guest in host.hypervisor.guests:
        host.override(guest, *dice.choice(orders), dice.choice([9.0, 60.0]))


def release(host, guest, dice):
    host.release("override", guest)


def protect(host, guest, dice):
    if guest in host.hypervisor.guests:
        host.protect(guest, dice.choice([11.0, 90.0]))


def hang(host, guest, dice):
    host.hypervisor.partial ^= {guest}


def lose(host, guest, dice):
    host.hypervisor.error = "" if host.hypervisor.error else "connection refused"


def switch(host, guest, dice):
    """On or off; a guest that is gone comes back, without some of what it was."""
    was = host.hypervisor.guests.get(guest, web(0, id=guest))
    on = was.state is not GuestState.RUNNING
    host.hypervisor.change(replace(was, state=GuestState.RUNNING if on else GuestState.SHUTOFF))


def undefine(host, guest, dice):
    host.hypervisor.undefine(guest)


def pause(host, guest, dice):
    term = Term(host.hypervisor.at + 0.5, host.hypervisor.clock + 0.5, 20.0)
    host.line.overriding.give(Pause(dice.random() < 0.5, term, ADA, "a test"), at=term.at)


EVENTS = (
    *(offend, offend, offend, behave, restart, override, release, protect, hang, lose, switch),
    *(undefine, pause),
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_same_policy_changes_nothing_whatever_happened(keep, seed):
    """Offences, silence, a lost hypervisor, guests that stop, come and go, restarts, overrides,
    protection and pauses, in any order: replayed by the same policy, every guest is narrowed,
    held and observed at the very ticks at which it was."""
    host, dice = keep(5, TIGHT if seed % 2 else CALM), random.Random(seed)  # noqa: S311 - a test's dice
    host.tick(10)
    for _ in range(32):
        dice.choice(EVENTS)(host, guest_id(dice.randrange(5)), dice)
        host.tick(dice.choice([1, 4, 12]))
    policy = host.path.read_text()
    agrees(host, host.replayed(policy))
    # from any moment on, also within a stretch: what was under way goes on
    since = dice.choice(host.fleets).at
    for guest, book in host.replayed(policy, since).books.items():
        assert (book.differences, book.edges) == ([], 0), guest


def test_from_observing_to_enforcing_everything_told_is_done(keep):
    """What a policy that observes only told would be done by the same one that enforces: the same
    guests, from the same ticks on, for as long; and by the recorded one nothing more."""
    host = keep(policy=WATCHED)
    host.tick(10)
    fall(host, A)
    fall(host, A, B)
    assert not any(book.differences for book in host.replayed(WATCHED).books.values())
    report = host.replayed(CALM)
    for guest, times in ((A, 2), (B, 1), (C, 0)):
        book = report.books[guest]
        assert len(book.now.stretches) == len(book.differences) == times
        assert [each.change for each in book.differences] == [Change.MORE] * times
        for now, was, differs in zip(
            book.now.stretches, book.was.stretches, book.differences, strict=True
        ):
            assert set(was.seconds) == {State.OBSERVED}
            assert now.seconds == {State.NARROWED: was.total}
            assert (differs.begin, differs.end) == (now.begin, now.end) == (was.begin, was.end)
            assert now.levers == ("disk-throttle",)
    assert not report.otherwise


def test_a_stricter_policy_narrows_further_and_a_looser_one_less(keep):
    """A fall to 0.35 is one band deeper where that one begins at 0.36, and none where the best
    band ends at 0.30; which is told as more, and as less."""
    host = keep()
    host.tick(10)
    fall(host, A, ticks=6, rest=40)
    stricter = CALM.replace("enter: 0.38, leave: 0.30", "enter: 0.42, leave: 0.36")
    book = host.replayed(stricter).books[A]
    (now,) = book.now.stretches
    assert now.band == "restricted"
    assert set(now.levers) == {"cpu-quota", "disk-throttle", "nic-filter"}
    assert {each.change for each in book.differences} == {Change.MORE}
    looser = CALM.replace("enter: 0.48, leave: 0.45", "enter: 0.40, leave: 0.30").replace(
        "enter: 0.38, leave: 0.30", "enter: 0.38, leave: 0.29"
    )
    book = host.replayed(looser).books[A]
    assert not book.now.stretches
    (less,) = book.differences
    assert (less.change, less.seconds) == (Change.LESS, book.was.stretches[0].total)


def test_the_other_policy_does_what_it_would_have_done(keep):
    """Of two hosts on which the same happens one takes over another policy in the middle, while a
    guest is low: played by that policy from then on, the history of the one that did not is what
    the other one lived, tick by tick."""
    other = CALM.replace("enter: 0.38, leave: 0.30", "enter: 0.42, leave: 0.36").replace(
        "dwell: {up: 3s}", "dwell: {up: 20s}"
    )
    stays, goes = keep(), keep()
    since = 0.0
    for host in (stays, goes):
        host.tick(10)
        fall(host, A, ticks=4, rest=2)
        if host is goes:
            host.reload(other)
        since = host.tick().at
        fall(host, B, rest=25)
        fall(host, A, B, ticks=6, rest=10)
    assert [fleet.at for fleet in stays.fleets] == [fleet.at for fleet in goes.fleets]
    books = stays.replayed(other, since).books
    assert any(book.differences for book in books.values())
    later = [fleet for fleet in goes.fleets if fleet.at >= since]
    for guest, book in books.items():
        ticks = {at: state for at, state in lived(goes, guest).items() if at >= since}
        begun = begins(ticks, [(fleet.at, None) for fleet in later])
        assert [each.begin for each in book.now.stretches] == begun
        bands = [fleet.bands.index(fleet.guests[guest].band) for fleet in later]
        assert max((each.rank for each in book.now.stretches), default=0) == max(bands)
        total = sum(each.total for each in book.now.stretches)
        assert total == INTERVAL * len([at for at in ticks if at != later[-1].at])


def test_who_is_protected_by_the_other_policy_is_not_narrowed(keep):
    """A guest on the other policy's protect list would not have been narrowed, the others as they
    were."""
    host = keep()
    host.tick(10)
    fall(host, A, B)
    shielded = CALM + f"protect:\n  - {{type: guest, id: {A}}}\n"
    books = host.replayed(shielded).books
    assert not books[A].now.stretches
    assert [each.change for each in books[A].differences] == [Change.LESS]
    assert books[B].now.stretches
    assert not books[B].differences


def test_the_blast_radius_of_the_other_policy_holds_who_falls_too_many(keep):
    """Two fall at the same tick, and the other policy lets one be narrowed a minute: the second is
    held for that minute."""
    host = keep()
    host.tick(10)
    fall(host, A, B, ticks=45)
    books = host.replayed(TIGHT).books
    first, second = sorted((books[A], books[B]), key=lambda book: len(book.differences))
    assert not first.differences
    (less,) = second.differences
    assert (less.change, less.was.state, less.now.state) == (
        Change.LESS,
        State.NARROWED,
        State.HELD,
    )
    assert less.seconds == pytest.approx(62.0)


def test_a_policy_that_came_late_is_played_from_the_beginning(keep):
    """After a reload the recorded time before it differs from what the new policy would have done,
    and the time after it does not."""
    host = keep(policy=WATCHED)
    host.tick(10)
    fall(host, A)
    host.reload(CALM)
    since = host.tick().at
    fall(host, B)
    report = host.replayed(CALM)
    assert [each.change for each in report.books[A].differences] == [Change.MORE]
    assert report.books[B].now.stretches
    assert not report.books[B].differences
    assert not any(book.differences for book in host.replayed(CALM, since).books.values())


def test_trust_that_is_the_very_bound_of_a_band_is_played_as_it_was(keep):
    """A ceiling of 0.35 where a band ends at 0.35: what was kept of it in 32 bits lies below, and
    the guest does not fall for that."""
    policy = CALM.replace("enter: 0.38, leave: 0.30", "enter: 0.42, leave: 0.35")
    host = keep(1, policy)
    host.tick(10)
    fall(host, A, ticks=6)
    book = host.replayed(policy).books[A]
    (now,) = book.now.stretches
    assert (now.band, now.trust) == ("guarded", 0.35)
    assert not book.differences


def test_a_policy_that_scores_otherwise_is_said_to(keep):
    """Trust is never scored anew: which guests the policy would score otherwise is told."""
    host = keep()
    host.tick(12)
    heavier = CALM.replace("max: 4MiB/s", "max: 8MiB/s", 1)
    assert host.replayed(heavier).otherwise == {A, B, C}
    assert not host.replayed(CALM).otherwise
