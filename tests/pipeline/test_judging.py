"""What is kept of a guest's verdict from tick to tick, and when it is made anew."""

from math import inf

from tests.pipeline.orders import ADA
from tests.pipeline.scripted import LAB, policy_of, web
from trustd.model import Freshness, Mode, Orders, Pause, Protection, Term
from trustd.pipeline.narrowing import Narrowing

GUEST = web(1)
TERM = Term(0.0, 0.0, inf)


def narrowing():
    made = Narrowing(policy_of(LAB))
    made.follow(GUEST, at=0.0)
    return made


def judged(by, trust, at, *, silent=0.0):
    how = Freshness.STALE if silent else Freshness.FRESH
    return by.judge(GUEST.id, trust, how=how, at=at, clock=at, stale_for=silent)


def test_a_guest_of_whom_nothing_changed_has_the_same_verdict():
    """Neither its verdict nor how it is seen is made anew; its silence is told as it is."""
    by = narrowing()
    judged(by, 0.5, 1.0)
    first, seen = judged(by, 0.5, 2.0), by.world()[GUEST.id]
    assert judged(by, 0.5, 3.0) is first
    assert by.world()[GUEST.id] is seen
    judged(by, 0.5, 4.0, silent=2.0)
    assert (seen.silent, by.world()[GUEST.id].silent) == (0.0, 2.0)


def test_a_fall_is_told_in_one_verdict_only():
    """The verdict of the fall names the band before; the next one stands for itself."""
    by = narrowing()
    before = judged(by, 0.5, 1.0)
    fall, after = judged(by, 0.0, 2.0), judged(by, 0.0, 3.0)
    assert fall.band != before.band
    assert (fall.before, after.before) == (before.band, "")
    assert (fall.since, after.since) == (2.0, 2.0)
    assert by.world()[GUEST.id].band == after.band


def test_an_order_is_in_the_next_verdict_though_the_band_is_the_same():
    """Protection and a pause change no band and no permission, and are heeded all the same."""
    by = narrowing()
    plain = judged(by, 0.0, 1.0)
    by.heed(Orders(protections={GUEST.id: Protection(GUEST.id, TERM, ADA, "mine")}), at=2.0)
    protected = judged(by, 0.0, 2.0)
    assert (plain.protected, protected.protected) == (False, True)
    assert by.world()[GUEST.id].subject.protected
    by.heed(Orders(pause=Pause(False, TERM, ADA, "wait")), at=3.0)
    paused = judged(by, 0.0, 3.0)
    assert (plain.mode, paused.mode, paused.protected) == (Mode.ENFORCE, Mode.OBSERVE, False)
    by.heed(Orders(), at=4.0)
    assert judged(by, 0.0, 4.0).mode is Mode.ENFORCE
