"""Bands: falling at once, rising after the dwell time, and what silence does."""

from dataclasses import FrozenInstanceError

import pytest

from trustd.policy.bands import Relays, Standing
from trustd.policy.schema import Trust

BANDS = [
    {"name": "best", "enter": 0.8, "leave": 0.7},
    {"name": "good", "enter": 0.6, "leave": 0.5},
    {"name": "poor", "enter": 0.4, "leave": 0.3},
    {"name": "worst"},
]


def relays(dwell=30, bands=BANDS, **stale):
    return Relays(Trust.model_validate({"bands": bands, "dwell": {"up": dwell}, "stale": stale}))


def steps(guest, standing, *trusts, start=0.0, every=10.0, stale_for=0.0):
    """The bands after each value; epoch time is 1,000 ahead of the steady clock."""
    seen = []
    for index, trust in enumerate(trusts):
        clock = start + index * every
        standing = guest.step(standing, trust, at=1000 + clock, clock=clock, stale_for=stale_for)
        seen.append(standing.band)
    return standing, seen


def test_trust_falls_at_once_through_as_many_bands_as_it_takes():
    """One sample below a band's leave is enough."""
    guest = relays()
    start = guest.start("best", at=1000)
    for trust, band in [
        (0.7, "best"), (0.699, "good"), (0.5, "good"), (0.499, "poor"),
        (0.3, "poor"), (0.299, "worst"), (0.0, "worst"),
    ]:  # fmt: skip
        assert guest.step(start, trust, at=1010, clock=10).band == band


def test_between_leave_and_enter_nothing_changes():
    """Hysteresis: a guest that hovers stays where it is, the very same standing."""
    guest = relays(dwell=0)
    for band, trust in [("best", 0.75), ("good", 0.75), ("good", 0.55), ("poor", 0.55)]:
        standing = guest.start(band, at=1000)
        assert guest.step(standing, trust, at=1010, clock=10) is standing


def test_a_band_is_entered_after_its_dwell_and_not_before():
    """Trust must be at or above enter for the whole time, the last moment included."""
    guest = relays()
    start = guest.start(None, at=1000)
    _, seen = steps(guest, start, 0.8, 0.8, 0.8, 0.8)
    assert seen == ["worst", "worst", "worst", "best"]


def test_a_single_dip_begins_the_dwell_anew():
    """Below enter for one sample, and the time counts from the next one above."""
    guest = relays()
    start = guest.start(None, at=1000)
    _, seen = steps(guest, start, 0.6, 0.6, 0.59, 0.6, 0.6, 0.6, 0.6)
    assert seen == ["worst", "worst", "worst", "poor", "poor", "poor", "good"]


def test_a_wait_that_is_over_leaves_no_trace():
    """Once trust is below every better band's enter, nothing is waiting any more."""
    guest = relays()
    waiting, _ = steps(guest, guest.start(None, at=0), 0.7, 0.7)
    assert waiting.rising == (float("inf"), 0.0, 0.0)
    over, _ = steps(guest, waiting, 0.35, start=20)
    assert over.rising == ()
    assert guest.step(over, 0.35, at=1030, clock=30) is over


def test_each_band_counts_for_itself():
    """A worse band is reached while a better one is still waiting."""
    guest = relays()
    start = guest.start(None, at=1000)
    standing, seen = steps(guest, start, 0.4, 0.8, 0.8, 0.8, 0.8)
    assert seen == ["worst", "worst", "worst", "poor", "best"]
    assert standing.rising == ()


def test_without_dwell_a_band_is_entered_at_once():
    """A dwell of nothing takes no time."""
    guest = relays(dwell=0)
    assert guest.step(guest.start(None, at=0), 0.6, at=1, clock=1).band == "good"


def test_since_is_when_the_band_last_changed():
    """Falling and rising are dated by the wall clock; staying is not."""
    guest = relays()
    standing, _ = steps(guest, guest.start("best", at=900), 0.75)
    assert (standing.band, standing.since) == ("best", 900)
    standing, _ = steps(guest, standing, 0.6, 0.6, start=20)
    assert (standing.band, standing.since) == ("good", 1020)
    standing, _ = steps(guest, standing, 0.9, 0.9, 0.9, 0.9, start=100)
    assert (standing.band, standing.since) == ("best", 1130)


def test_a_clock_that_goes_back_does_not_shorten_the_dwell():
    """After a boot the steady clock begins anew, and so does the dwell."""
    guest = relays()
    standing, _ = steps(guest, guest.start(None, at=0), 0.8, start=5000)
    standing, seen = steps(guest, standing, 0.8, 0.8, 0.8, 0.8, start=10)
    assert seen == ["worst", "worst", "worst", "best"]


def test_never_measured_is_the_last_band_or_probation():
    """Without a word of the role a newcomer has nothing."""
    guest = relays()
    assert guest.start(None, at=5) == Standing("worst", 5, "worst")
    assert guest.start("good", at=5) == Standing("good", 5, "good")


def test_no_trust_while_fresh_changes_nothing():
    """A tick without a value is no evidence; NaN is no value."""
    guest = relays()
    standing = guest.start("good", at=0)
    assert guest.step(standing, None, at=10, clock=10) is standing
    assert guest.step(standing, float("nan"), at=10, clock=10) is standing


@pytest.mark.parametrize(
    ("stale", "age", "band"),
    [
        ({"then": "bottom"}, 31, "worst"),
        ({"then": "cap", "band": "poor"}, 31, "poor"),
        ({"then": "cap", "band": "poor"}, 1e9, "poor"),
        ({"then": "cap", "band": "poor", "give_up": "10m"}, 600, "poor"),
        ({"then": "cap", "band": "poor", "give_up": "10m"}, 601, "worst"),
        ({"then": "cap"}, 31, "poor"),
        ({"then": "hold", "give_up": "10m"}, 600, "best"),
        ({"then": "hold", "give_up": "10m"}, 601, "worst"),
        ({"then": "bottom"}, 30, "best"),
        ({"then": "bottom"}, float("nan"), "worst"),
    ],
)
def test_silence_has_the_effect_that_the_policy_says(stale, age, band):
    """Bottom, cap and hold, each from its age on; an unknown age is old."""
    guest = relays(**stale)
    start = guest.start("best", at=0)
    standing = guest.step(start, 0.9, at=1000, clock=0, stale_for=age)
    assert standing.band == band
    assert standing.relay == "best"
    assert standing.stale is (age != 30)


def test_two_bands_are_capped_at_the_last():
    """Where there is nothing between, a cap without a name is the last band."""
    guest = relays(bands=[{"name": "in", "enter": 0.5, "leave": 0.4}, {"name": "out"}])
    assert guest.step(guest.start("in", at=0), 0.9, at=1, clock=1, stale_for=99).band == "out"


def test_telemetry_that_returns_gives_the_relay_back_at_once():
    """Silence is not guilt: the band before it returns without a dwell."""
    guest = relays(then="cap", band="poor")
    standing, seen = steps(guest, guest.start("best", at=0), 0.9, stale_for=60)
    assert seen == ["poor"]
    assert standing.since == 1000
    standing, seen = steps(guest, standing, 0.9, start=10)
    assert (seen, standing.stale, standing.since) == (["best"], False, 1010)


def test_relays_fall_while_stale_and_do_not_rise():
    """Bad news counts even when old; good news must be fresh, for all of the dwell."""
    guest = relays(then="cap", band="good")
    fallen, seen = steps(guest, guest.start("best", at=0), 0.4, stale_for=60)
    assert (seen, fallen.relay) == (["poor"], "poor")
    same, seen = steps(guest, fallen, 0.9, 0.9, 0.9, 0.9, 0.9, start=10, stale_for=60)
    assert (seen[-1], same.rising) == ("poor", ())
    waiting, _ = steps(guest, guest.start("poor", at=0), 0.9, 0.9)
    assert waiting.rising == (0.0, 0.0)
    for silent in (None, 0.9):
        broken = guest.step(waiting, silent, at=1020, clock=20, stale_for=60)
        assert broken.rising == ()
        _, seen = steps(guest, broken, 0.9, 0.9, start=30)
        assert seen == ["poor", "poor"]


def test_a_band_that_changes_only_by_age_keeps_the_relay():
    """Growing silence moves the band, dated when it does."""
    guest = relays(then="cap", band="good", give_up="10m")
    start = guest.start("best", at=0)
    silent = guest.step(start, None, at=1040, clock=40, stale_for=40)
    assert (silent.band, silent.since) == ("good", 1040)
    assert guest.step(silent, None, at=1050, clock=50, stale_for=50) is silent
    gone = guest.step(silent, None, at=1700, clock=700, stale_for=700)
    assert (gone.band, gone.since, gone.relay) == ("worst", 1700, "best")


def test_a_standing_survives_the_store():
    """What is saved is plain, and restores to the same band, without the dwell."""
    guest = relays(then="cap", band="poor")
    standing, _ = steps(guest, guest.start("good", at=900), 0.9, 0.9)
    saved = guest.save(standing)
    assert all(isinstance(value, str | float | bool | int) for value in saved.values())
    restored = guest.restore(saved, at=2000)
    assert restored == Standing("good", 900, "good")
    silent = guest.step(standing, None, at=1100, clock=100, stale_for=60)
    back = guest.restore(guest.save(silent), at=2000)
    assert (back.band, back.relay, back.stale) == ("poor", "good", True)


def test_a_clock_that_was_ahead_does_not_date_a_band_in_the_future():
    """Since is never later than now."""
    guest = relays()
    assert guest.restore(guest.save(guest.start("good", at=5000)), at=2000).since == 2000


def test_bands_of_another_policy_are_mapped_without_lifting():
    """A renamed band: the best one that the old thresholds prove."""
    old = relays()
    new = relays(
        bands=[
            {"name": "gold", "enter": 0.8, "leave": 0.75},
            {"name": "silver", "enter": 0.6, "leave": 0.5},
            {"name": "bronze", "enter": 0.2, "leave": 0.1},
            {"name": "none"},
        ]
    )
    mapped = {
        band: new.restore(old.save(old.start(band, at=0)), at=0).band
        for band in ("best", "good", "poor", "worst")
    }
    assert mapped == {"best": "silver", "good": "silver", "poor": "bronze", "worst": "none"}


def test_thresholds_that_prove_nothing_are_the_last_band():
    """Where every new band asks for more, the guest begins at the bottom."""
    old = relays()
    new = relays(bands=[{"name": "gold", "enter": 0.8, "leave": 0.75}, {"name": "none"}])
    for band in ("good", "poor", "worst"):
        assert new.restore(old.save(old.start(band, at=0)), at=0).band == "none"


def test_a_standing_cannot_be_changed():
    """The same standing is handed on from tick to tick, so nobody may alter it."""
    with pytest.raises(FrozenInstanceError):
        relays().start(None, at=0).band = "best"


def test_a_band_of_the_same_name_is_kept():
    """Moving a threshold does not demote those inside; trust below it does."""
    old = relays()
    new = relays(bands=[{"name": "best", "enter": 0.9, "leave": 0.85}, *BANDS[1:]])
    kept = new.restore(old.save(old.start("best", at=0)), at=0)
    assert kept.band == "best"
    assert new.step(kept, 0.84, at=1, clock=1).band == "good"


def test_a_saved_band_that_is_gone_leaves_its_relay():
    """The relay is what counts; the name that was shown before does not."""
    guest = relays()
    saved = {**guest.save(guest.start("best", at=0)), "band": "gone"}
    assert guest.restore(saved, at=0).band == "best"


def test_telemetry_is_fresh_unless_its_age_says_otherwise():
    """Where any age is too old, none given is still fresh."""
    guest = relays(then="bottom", after=0)
    start = guest.start("best", at=0)
    assert guest.step(start, 0.9, at=1, clock=1) is start
    assert guest.step(start, 0.9, at=1, clock=1, stale_for=0.5).band == "worst"


def test_a_better_saved_band_does_not_outrank_its_relay():
    """A store that contradicts itself is read for the worse."""
    guest = relays()
    saved = {**guest.save(guest.start("poor", at=0)), "band": "best"}
    assert guest.restore(saved, at=0).band == "poor"
