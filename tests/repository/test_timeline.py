"""The history of guests: kept in ticks, minutes and hours, and read at any scale."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pytest

from tests.api.fleets import AT, BANDS, FEATURES, assessed, fleet, guest_id
from trustd.errors import StoreError
from trustd.pipeline.remembering import MOST_WAITING, TICKS, Remembering
from trustd.repository import Asked, Block, Database, Layout, Timelines, chunks_of

GUEST = guest_id(1)
EVERY = 5.0


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "trustd.db")
    yield made
    made.close()


@pytest.fixture
def timelines(database):
    return Timelines(database)


@pytest.fixture
def remembering(timelines):
    return Remembering(timelines, FEATURES)


def ticks(remembering, count, begin=AT, *, trust=lambda place: 0.9, **other):
    """So many ticks of one guest, stored as the daemon does it."""
    for place in range(count):
        guest = assessed(trust=trust(place), **other)
        remembering.note(fleet(guest, at=begin + place * EVERY))
        remembering.store()


def asked(since, until, points=2000):
    return Asked(GUEST, since, until, points)


def filled(timelines, days, *, begin=AT, guest=GUEST):
    """Days of one guest: trust is the hour of the day through 24, one feature the same."""
    layout = Layout(BANDS, ("fresh", "partial", "stale", "idle"), ("cpu.usage",))
    every = begin + np.arange(0, days * 86400, EVERY)
    for first in range(0, len(every), TICKS):
        at = every[first : first + TICKS]
        hour = np.floor((at - begin) / 3600) % 24 / 24
        values = np.stack([hour, hour * 0 + 0.1, hour * 0, hour * 0, hour * 100], axis=1)
        present = np.ones((len(at), 1), np.bool_)
        block = Block(layout, (guest,), at, values[:, None].astype(np.float32), present)
        timelines.store(list(chunks_of(block)))
        if first % (48 * TICKS) == 0:
            timelines.roll(10)


def test_every_tick_can_be_read_again(remembering, timelines):
    """What was noted is read back in order, with its time, its band and its freshness."""
    ticks(remembering, TICKS, trust=lambda place: place / 100, band="guarded")
    line = timelines.trust(asked(AT, AT + 3600))
    assert line.points.at.tolist() == [AT + place * EVERY for place in range(TICKS)]
    assert np.allclose(line.points.mean[0], np.arange(TICKS) / 100)
    assert np.allclose(line.points.mean[1], 0.1)
    assert {line.bands[int(each)] for each in line.points.high[2]} == {"guarded"}
    assert {line.freshness[int(each)] for each in line.points.high[3]} == {"fresh"}


def test_what_is_not_stored_yet_is_read_too(remembering, timelines):
    """A page shows the last minutes, though a stretch is stored only when it is whole."""
    ticks(remembering, TICKS + 7)
    held = remembering.held(GUEST)
    assert len(timelines.trust(asked(AT, AT + 3600)).points.at) == TICKS
    assert len(timelines.trust(asked(AT, AT + 3600), held).points.at) == TICKS + 7
    assert len(timelines.samples(asked(AT, AT + 3600), "cpu.usage", held).at) == TICKS + 7
    remembering.close()
    assert not remembering.held(GUEST)
    assert len(timelines.trust(asked(AT, AT + 3600)).points.at) == TICKS + 7


def test_a_gap_stays_a_gap(remembering, timelines):
    """Where nothing was measured there is no number, never a zero."""
    values = [12.5, nan, 99.0]
    for place, value in enumerate(values):
        guest = assessed(samples={"cpu.usage": value})
        remembering.note(fleet(guest, at=AT + place * EVERY))
    remembering.close()
    (found,) = timelines.samples(asked(AT, AT + 60), "cpu.usage").mean.tolist()
    assert found[0] == 12.5
    assert isnan(found[1])
    assert found[2] == pytest.approx(99.0, rel=5e-4)
    assert np.isnan(timelines.samples(asked(AT, AT + 60), "memory.used").mean).all()
    assert np.isnan(timelines.samples(asked(AT, AT + 60, 1), "memory.used").mean).all()


def test_guests_come_and_go(remembering, timelines):
    """A guest has points of the ticks in which it was there, and of no others."""
    for place in range(TICKS):
        both = [assessed(), assessed("web-2", 2, trust=0.5)][: 1 + (place % 3 == 0)]
        remembering.note(fleet(*both, at=AT + place * EVERY))
    remembering.store()
    other = timelines.trust(Asked(guest_id(2), AT, AT + 3600, 2000)).points
    assert other.at.tolist() == [AT + place * EVERY for place in range(0, TICKS, 3)]
    assert set(other.mean[0].tolist()) == {0.5}
    assert len(timelines.trust(asked(AT, AT + 3600)).points.at) == TICKS


def test_bands_of_an_earlier_policy_keep_their_names(remembering, timelines):
    """After a policy with other bands, each point has the band that it had."""
    remembering.note(fleet(assessed(band="restricted"), at=AT))
    other = fleet(assessed(band="closed"), at=AT + EVERY, bands=("open", "closed"))
    remembering.note(other)
    remembering.close()
    line = timelines.trust(asked(AT, AT + 60))
    assert [line.bands[int(each)] for each in line.points.high[2]] == ["restricted", "closed"]


@pytest.mark.parametrize("step", [-7200.0, 7200.0, -400 * 86400.0, 400 * 86400.0])
def test_a_clock_that_is_set_leaves_history_readable(remembering, timelines, step):
    """Whichever way the clock jumps, points come in the order of their times, none is lost."""
    ticks(remembering, 90)
    ticks(remembering, 90, AT + 90 * EVERY + step)
    remembering.close()
    everything = (AT - 500 * 86400, AT + 500 * 86400)
    found = timelines.trust(asked(*everything)).points
    assert found.ticks.sum() == 180
    assert (np.diff(found.at) >= 0).all()
    here = timelines.trust(asked(AT + step, AT + step + 90 * EVERY * 2)).points
    assert len(here.at) >= 90


def test_every_scale_shows_the_same(timelines, database):
    """Ticks, minutes and hours of the same week have the same means, lows and highs."""
    filled(timelines, 6)
    tiers = dict(
        database.write(
            lambda connection: connection.execute(
                "SELECT tier, count(*) FROM chunk GROUP BY tier"
            ).fetchall()
        )
    )
    assert set(tiers) == {0, 1, 2}
    for points in (6, 200, 2000):
        found = timelines.trust(asked(AT, AT + 6 * 86400, points)).points
        weights = found.ticks / found.ticks.sum()
        assert found.ticks.sum() == 6 * 86400 / EVERY, "no tick twice, and none left out"
        assert (found.mean[0] * weights).sum() == pytest.approx(11.5 / 24, abs=0.002)
        assert found.low[0].min() == 0
        assert found.high[0].max() == pytest.approx(23 / 24)
        assert len(found.at) <= points
    samples = timelines.samples(asked(AT, AT + 6 * 86400, 144), "cpu.usage")
    assert samples.mean[0].max() == pytest.approx(2300 / 24, rel=1e-3)


def test_coarser_history_stands_in_where_detail_is_gone(timelines, database):
    """Where the ticks are pruned minutes are shown, then hours; nothing is shown twice."""
    filled(timelines, 6)
    timelines.roll(100, before=[AT + 7 * 86400] * 2)
    timelines.roll(100, before=[AT + 7 * 86400] * 2)
    whole = 6 * 86400 / EVERY
    for tier, kept in ((0, 86400), (1, 3 * 86400)):
        database.write(
            lambda connection, tier=tier, kept=kept: connection.execute(
                "DELETE FROM chunk WHERE tier = ? AND last < ?", (tier, AT + 6 * 86400 - kept)
            )
        )
    found = timelines.trust(Asked(GUEST, AT, AT + 6 * 86400, 10**6)).points
    assert found.ticks.sum() == pytest.approx(whole, rel=0.02)
    assert sorted(set(found.seconds.tolist())) == [0.0, 60.0, 3600.0]
    assert (np.diff(found.at) >= 0).all()


def of_features(timelines, names, begin, hours):
    """Hours of one guest in which every feature is the place of its name in the alphabet."""
    layout = Layout(BANDS, ("fresh", "partial", "stale", "idle"), names)
    values = np.array([0.9, 0.1, 0, 0, *(ord(name) for name in names)], np.float32)
    for at in (begin + np.arange(0, hours * 3600, EVERY)).reshape(-1, TICKS):
        whole = np.broadcast_to(values, (TICKS, 1, len(values)))
        block = Block(layout, (GUEST,), at, whole, np.ones((TICKS, 1), np.bool_))
        timelines.store(list(chunks_of(block)))


@pytest.mark.parametrize("rolls", [0, 1, 2])
def test_each_feature_has_its_own_numbers(timelines, rolls):
    """Of many features each is read as it was measured, however they were ordered then."""
    of_features(timelines, ("a", "b", "c"), AT, 4)
    of_features(timelines, ("d", "c", "a"), AT + 4 * 3600, 4)
    for _ in range(rolls):
        timelines.roll(100, before=[AT + 86400] * rolls + [-inf] * (2 - rolls))
    first, second = 4 * 3600 / EVERY, 8 * 3600 / EVERY
    for name, ticks in (("a", second), ("b", first), ("c", second), ("d", first), ("e", 0)):
        found = timelines.samples(asked(AT, AT + 8 * 3600, 8), name)
        assert found.ticks.sum() == ticks
        for numbers in (found.mean, found.low, found.high):
            assert set(numbers.ravel().tolist()) == ({float(ord(name))} if ticks else set())


def test_a_timeline_costs_the_same_however_many_guests_there_are(timelines, database, monkeypatch):
    """Reading one guest's history does not look at that of the others."""
    reading, steps = database.reading, []

    @contextmanager
    def counted():
        with reading() as connection:
            connection.set_progress_handler(lambda: steps.append(0), 1)
            yield connection

    def cost(span, points):
        """Steps of SQLite."""
        steps.clear()
        part = asked(AT + 2 * 86400 - span, AT + 2 * 86400, points)
        assert len(timelines.trust(part).points.at)
        assert len(timelines.samples(part, "cpu.usage").at)
        return len(steps)

    filled(timelines, 2)
    monkeypatch.setattr(database, "reading", counted)
    every = ((3600, 720), (86400, 2000), (86400, 200), (2 * 86400, 20))
    alone = [cost(*each) for each in every]
    database.write(
        lambda connection: connection.executemany(
            "INSERT INTO chunk (guest, tier, layout, first, last, points, bytes, rolled, times,"
            " trust, samples) SELECT ?, tier, layout, first, last, points, bytes, rolled, times,"
            " trust, samples FROM chunk WHERE guest = ?",
            [(guest_id(other), GUEST) for other in range(2, 20)],
        )
    )
    assert [cost(*each) for each in every] == pytest.approx(alone, rel=0.02)


def test_a_store_that_fails_loses_no_more_than_it_must(database):
    """Stretches wait for a store that fails, are stored once it recovers, and never twice."""

    class Failing(Timelines):
        left = 0

        def store(self, chunks):
            if not self.left:
                raise StoreError("the disk is full")
            self.left -= 1
            super().store(chunks)

    store = Failing(database)
    remembering = Remembering(store, FEATURES)
    guests = [assessed(f"web-{number}", number) for number in range(120)]
    for place in range(TICKS):
        remembering.note(fleet(*guests, at=AT + place * EVERY))
    store.left = 1
    with pytest.raises(StoreError):
        remembering.store()
    first = Asked(guests[0].id, AT, AT + 3600, 2000)
    assert len(store.trust(first, remembering.held(guests[0].id)).points.at) == TICKS
    store.left = 100
    remembering.store()
    for each in (guests[0], guests[60], guests[119]):
        line = store.trust(replace(first, guest=each.id), remembering.held(each.id))
        assert len(line.points.at) == TICKS


def test_waiting_history_is_bounded(database):
    """A store that fails for hours does not fill the memory."""
    remembering = Remembering(Timelines(database), FEATURES)
    for place in range((MOST_WAITING + 4) * TICKS):
        remembering.note(fleet(assessed(), at=AT + place * EVERY))
    held = remembering.held(GUEST)
    assert sum(len(points.at) for _, points in held) <= (MOST_WAITING + 1) * TICKS
    assert held[-1][1].at[-1] == AT + ((MOST_WAITING + 4) * TICKS - 1) * EVERY


def test_a_damaged_stretch_is_told(timelines, database):
    """Bytes that are no history are an error of the repository, not a crash and not zeros."""
    filled(timelines, 1 / 24)
    database.write(lambda connection: connection.execute("UPDATE chunk SET trust = x'00'"))
    with pytest.raises(StoreError, match="cannot be read"):
        timelines.trust(asked(AT, AT + 3600))


def test_a_damaged_stretch_stops_no_other(timelines, database):
    """What cannot be read is left out when its group is rolled up; the rest is there."""
    filled(timelines, 4 / 24)
    database.write(lambda connection: connection.execute("DELETE FROM chunk WHERE tier = 1"))
    database.write(
        lambda connection: connection.execute(
            "UPDATE chunk SET rolled = 0, samples = CASE id WHEN 3 THEN x'00' ELSE samples END"
        )
    )
    assert timelines.roll(10) == 1
    found = timelines.trust(asked(AT, AT + 4 * 3600, 100)).points
    assert found.ticks.sum() == 47 * TICKS
