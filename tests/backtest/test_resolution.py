"""History in minutes and hours: no fall is missed, none is told too short, none is made up."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from math import inf

import numpy as np
import pytest

from tests.backtest.stage import BEGIN, invented, replayed
from tests.pipeline.scripted import CALM, guest_id
from trustd.errors import StoreError
from trustd.pipeline.backtest import Change, State
from trustd.repository import SEEN, Timelines
from trustd.repository.recorded import Recorded

A, B = guest_id(0), guest_id(1)
DAY = 12600
"""Ticks of five seconds: most of a day."""
SLOW = CALM.replace("dwell: {up: 3s}", "dwell: {up: 5m}")


def fallen(count, *falls):
    """Trust over so many ticks, with (first tick, ticks, depth) of each fall."""
    trust = np.full(count, 0.9)
    for first, ticks, depth in falls:
        trust[first : first + ticks] = depth
    return trust


def coarsened(database, tier):
    """Roll everything up to a tier, and drop what is finer."""
    Timelines(database).roll(100_000, before=[np.inf] * tier + [-np.inf] * (2 - tier))
    database.write(lambda c: c.execute("DELETE FROM chunk WHERE tier < ?", (tier,)))


FALLS = ((1000, 1, 0.35), (4000, 1, 0.20), (9000, 500, 0.40), (12000, 240, 0.10))


@pytest.mark.parametrize(("tier", "step"), [(0, 0.0), (1, 60.0), (2, 3600.0)])
def test_no_fall_is_missed_in_any_resolution(tmp_path, tier, step):
    """A fall of one tick is found in ticks, minutes and hours, in the band to which it went; no
    stretch is shorter than it was, nor longer than by its dwell and two steps."""
    database = invented(tmp_path, SLOW, {A: fallen(DAY, *FALLS), B: fallen(DAY)})
    exact = replayed(database.path, SLOW).books[A].now.stretches
    coarsened(database, tier)
    report = replayed(database.path, SLOW)
    found = report.books[A].now.stretches
    assert [each.width for each in report.resolutions] == [step]
    assert [each.band for each in found] == [each.band for each in exact]
    assert [each.band for each in found] == ["guarded", "restricted", "guarded", "isolated"]
    for fine, coarse in zip(exact, found, strict=True):
        assert fine.begin - step <= coarse.begin <= fine.begin
        assert fine.total <= coarse.total + 5.0
        assert coarse.total <= fine.total + 2 * max(step, 5.0)
        assert coarse.trust == fine.trust
        assert coarse.width == step
    assert not report.books[B].now.stretches


def test_a_dwell_longer_than_a_step_ends(tmp_path):
    """By the hour a guest rises after a dwell of an hour and a half, not never and not before."""
    patient = CALM.replace("dwell: {up: 3s}", "dwell: {up: 90m}")
    database = invented(tmp_path, patient, {A: fallen(DAY, (1000, 60, 0.35))})
    (exact,) = replayed(database.path, patient).books[A].now.stretches
    coarsened(database, 2)
    (found,) = replayed(database.path, patient).books[A].now.stretches
    assert exact.total <= found.total <= exact.total + 2 * 3600


@pytest.mark.parametrize("tier", [0, 1, 2])
def test_the_same_policy_changes_nothing_in_any_resolution(tmp_path, tier):
    """Falls of any length and depth: by the policy that was in force, nothing differs in ticks;
    in coarser steps nothing but that a stretch that both tell of lasts longer."""
    dice = np.random.default_rng(tier)
    falls = [
        (int(dice.integers(DAY)), int(dice.integers(1, 700)), float(dice.uniform(0.05, 0.47)))
        for _ in range(12)
    ]
    database = invented(tmp_path, SLOW, {A: fallen(DAY, *falls)})
    coarsened(database, tier)
    book = replayed(database.path, SLOW).books[A]
    assert book.was.stretches
    assert all(each.beside and each.change is Change.MORE for each in book.differences)
    if tier == 0:
        assert (book.differences, book.edges) == ([], 0)


def test_a_policy_is_compared_at_the_resolution_of_the_history(tmp_path):
    """By the hour too a fall that only a stricter policy heeds is a difference, and not taken for
    the edge of another one."""
    database = invented(tmp_path, SLOW, {A: fallen(DAY, (2000, 60, 0.46), (9000, 60, 0.40))})
    stricter = SLOW.replace("enter: 0.48, leave: 0.45", "enter: 0.55, leave: 0.50")
    for tier in (0, 1, 2):
        coarsened(database, tier)
        book = replayed(database.path, stricter).books[A]
        (more,) = book.differences
        assert more.change is Change.MORE
        assert more.begin <= BEGIN + 10_000 <= more.end
        assert len(book.now.stretches) == 2


def covers(outer, inner):
    """Whether each inner stretch lies in an outer one that is no milder."""
    return all(
        any(
            big.begin <= each.begin and each.end <= big.end and big.rank >= each.rank
            for big in outer
        )
        for each in inner
    )


def test_a_policy_whose_bands_begin_higher_never_narrows_less(tmp_path):
    """Monotony: raise every threshold, and whatever was narrowed is so still, as far and as long,
    in whichever of five histories."""
    dice = np.random.default_rng(3)
    steps = dice.integers(1, 160, (5, 30))
    guests = {
        guest_id(place): np.repeat(dice.uniform(0, 1, 30), steps[place]) for place in range(5)
    }
    shortest = min(map(len, guests.values()))
    database = invented(tmp_path, SLOW, {id_: each[:shortest] for id_, each in guests.items()})
    # without the limit, which holds back whoever falls as one too many
    loose = SLOW.replace("max: 10, percent: 100", "max: 1000, percent: 100")
    worlds = [
        replayed(database.path, loose.replace("0.48, leave: 0.45", f"{enter}, leave: {leave}"))
        for enter, leave in ((0.40, 0.31), (0.48, 0.45), (0.62, 0.45), (0.80, 0.70))
    ]
    total = []
    for less, more in pairwise(worlds):
        for guest in guests:
            inner, outer = (each.books[guest].now.stretches for each in (less, more))
            assert covers(outer, inner), guest
    for world in worlds:
        stretches = [each for book in world.books.values() for each in book.now.stretches]
        total.append(sum(each.total for each in stretches))
        assert all(set(each.seconds) == {State.NARROWED} for each in stretches)
    assert total == sorted(set(total))


def test_a_damaged_stretch_costs_only_itself(tmp_path):
    """A part of history that cannot be read is told, and the rest is played."""
    falls = fallen(5000, (1000, 60, 0.35), (3000, 60, 0.35))
    database = invented(tmp_path, SLOW, {A: falls, B: falls})
    database.write(
        lambda c: c.execute(
            "UPDATE chunk SET trust = x'00' WHERE guest = ? AND first > ? AND first < ?",
            (A, BEGIN + 14_000, BEGIN + 16_000),
        )
    )
    report = replayed(database.path, SLOW)
    assert report.damaged == {A}
    assert len(report.books[A].now.stretches) == 1
    assert len(report.books[B].now.stretches) == 2


def test_a_journal_that_somebody_changed_is_said_to_be(tmp_path):
    """A record that is not what trustd wrote ends the replay, with where to look."""
    database = invented(tmp_path, SLOW, {A: fallen(60)})
    database.write(lambda c: c.execute("UPDATE transition SET document = '{\"state\": 1}'"))
    with pytest.raises(StoreError, match="audit verify"):
        replayed(database.path, SLOW)


def test_a_journal_that_cannot_be_read_is_said_to_be(tmp_path):
    """A record that is no document at all ends it likewise: with where, and what finds it."""
    database = invented(tmp_path, SLOW, {A: fallen(60)})
    database.write(lambda c: c.execute("UPDATE transition SET document = '{{'"))
    with pytest.raises(StoreError, match=r"trustd\.db: .*audit verify"):
        Recorded(database.path).entries([SEEN], 0.0, inf)


def test_guests_of_an_older_journal_are_taken_to_have_usual_devices(tmp_path):
    """Where the journal does not say which devices a guest had, one disk and one interface are
    assumed, and that is told; where it says nothing of a guest at all it is left out, and told."""
    falls = fallen(3000, (1000, 60, 0.10))
    database = invented(tmp_path, SLOW, {A: falls, B: falls})
    database.close()
    with sqlite3.connect(database.path) as connection:
        connection.execute(
            "UPDATE transition SET document = json_remove(document, '$.disks', '$.nics')"
            " WHERE guest = ?",
            (A,),
        )
        connection.execute("DELETE FROM transition WHERE guest = ?", (B,))
    report = replayed(database.path, SLOW)
    assert report.assumed == {A}
    assert report.untold == {B}
    assert set(report.books) == {A}
    (stretch,) = report.books[A].now.stretches
    assert set(stretch.levers) == {"cpu-quota", "disk-throttle", "nic-link"}
