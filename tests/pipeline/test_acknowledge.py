"""An operator's word on the line: it counts at once, and is on the disk when it is answered."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id
from trustd.daemon.between import Between
from trustd.errors import NoSuchGuest, StoreError
from trustd.pipeline import Word
from trustd.repository import Journal

A, B, STRANGER = (guest_id(number) for number in (0, 1, 99))
SLOW = "rise: 36/h"
"""A hundredth every second: by itself trust is not back within these tests."""


def word(guest=A, verdict="benign", reason="the new backup"):
    return Word(1_790_000_000.0, guest, "web-0", verdict, reason, {"uid": 0, "pid": 1})


@pytest.fixture
def fallen(new_rig):
    """The first guest left its envelope, and is quiet again."""
    rig = new_rig(policy=CALM.replace("rise: 360/h", SLOW))
    rig.tick(60)
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick()
    rig.hypervisor.writes[A] = 0.0
    rig.tick(2)
    assert rig.fleet.guests[A].trust < 0.5
    return rig


def test_benign_restores_trust_at_once(fallen):
    """The word's answer has trust before and after, the next tick shows it, and no other guest's
    trust moves."""
    before = fallen.fleet.guests[A].trust
    other = fallen.fleet.guests[B].trust
    heard = fallen.line.acknowledge(word())
    assert heard.before == pytest.approx(before)
    assert heard.after > 0.8
    fleet = fallen.tick()
    assert fleet.guests[A].trust == pytest.approx(heard.after, abs=0.02)
    assert fleet.guests[B].trust == pytest.approx(other, abs=0.02)


def test_word_and_state_are_on_the_disk_when_it_is_answered(fallen):
    """The answer waits for a slow disk; whoever kills the daemon right after it finds the journal's
    entry and the trust."""
    fallen.land()
    fallen.database.submit(lambda _: time.sleep(0.3))
    heard = fallen.line.acknowledge(word())
    (entry,) = [each for each in Journal(fallen.database).of(A) if each.kind == "acknowledge"]
    assert entry.document == {
        "uid": 0,
        "pid": 1,
        "verdict": "benign",
        "reason": "the new backup",
        "before": round(heard.before, 4),
        "after": round(heard.after, 4),
        "ended": [],
    }
    fallen.restart()
    assert fallen.tick().guests[A].trust == pytest.approx(heard.after, abs=0.02)


def test_a_crossing_that_goes_on_is_tolerated_until_it_ends(fallen):
    """Benign is said of what goes on now: it takes nothing away again until it has ended once,
    and the next crossing counts as ever."""
    fallen.hypervisor.writes[A] = TOO_MUCH
    fallen.tick()
    assert fallen.line.acknowledge(word()).ended
    assert fallen.tick(3).guests[A].trust > 0.8
    fallen.hypervisor.writes[A] = 0.0
    fallen.tick(2)
    fallen.hypervisor.writes[A] = TOO_MUCH
    assert fallen.tick().guests[A].trust < 0.5


def test_attack_gives_nothing_back(fallen):
    """Trust does not rise by it, and it is journalled."""
    before = fallen.fleet.guests[A].trust
    heard = fallen.line.acknowledge(word(verdict="attack"))
    assert heard.after <= before + 1e-9
    assert fallen.tick().guests[A].trust < 0.5
    assert fallen.journal(A, "acknowledge")[0].document["verdict"] == "attack"


@pytest.mark.parametrize("verdict", ["benign", "attack"])
def test_dry_run_says_exactly_what_the_word_would_do_and_does_nothing(fallen, verdict):
    """Trust before and after and what ends are those of the word itself; until it is said, trust
    and journal are as they were."""
    said = word(verdict=verdict)
    tried = fallen.line.acknowledge(said, dry_run=True)
    assert fallen.line.explain(A).explanation.trust == tried.before
    assert not fallen.journal(A, "acknowledge")
    heard = fallen.line.acknowledge(said)
    assert tried == heard


def test_stranger_is_an_error(fallen):
    """A word about a guest that is not watched changes nothing and says so."""
    with pytest.raises(NoSuchGuest):
        fallen.line.acknowledge(word(STRANGER))
    assert not fallen.journal(STRANGER, "acknowledge")


def test_benign_waits_for_a_store_that_takes_writes(fallen, monkeypatch):
    """While nothing can be stored nobody is absolved: the word is refused and trust stays."""
    before = fallen.fleet.guests[A].trust

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("trustd.repository.changes.keep_guests", full)
        fallen.hypervisor.writes[A] = TOO_MUCH
        # a tick in which nothing changed stores nothing, and so finds nothing wrong
        while not fallen.tick().store_error:
            fallen.line.save()
            fallen.settle()
        with pytest.raises(StoreError, match=r"nothing was changed.*No space left"):
            fallen.line.acknowledge(word())
    assert fallen.line.explain(A).explanation.trust <= before
    fallen.tick()
    fallen.settle()
    fallen.tick()
    fallen.line.acknowledge(word())
    assert len(fallen.journal(A, "acknowledge")) == 1


def test_work_is_done_on_the_lines_thread_one_at_a_time():
    """However many ask, one piece of work waits for the line, and all get their own answer."""
    waiting = []
    most = []

    def give(work):
        waiting.append(1)
        most.append(len(waiting))

        def run():
            waiting.pop()
            work()

        line.submit(run)

    async def ask():
        between = Between()
        between.begin(give)
        names = await asyncio.gather(
            *(between.do(lambda: threading.current_thread().name) for _ in range(20))
        )
        numbers = await asyncio.gather(*(between.do(lambda n=n: n) for n in range(20)))
        with pytest.raises(ZeroDivisionError):
            await between.do(lambda: 1 / 0)
        return names, numbers

    with ThreadPoolExecutor(1, thread_name_prefix="line") as line:
        names, numbers = asyncio.run(ask())
    assert set(names) == {"line_0"}
    assert numbers == list(range(20))
    assert max(most) == 1


def test_work_that_is_given_up_is_never_done():
    """A line that is busy for too long is an error, and the work does not follow later."""
    done = []

    async def ask():
        between = Between(within=1.0)
        with pytest.raises(TimeoutError):
            await between.do(lambda: done.append("before the start"))
        between.begin(line.submit)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await between.do(lambda: done.append("late"))
        assert time.monotonic() - began < 15
        go.set()
        await between.do(lambda: done.append("after"))

    go = threading.Event()
    with ThreadPoolExecutor(1) as line:
        line.submit(go.wait, 60)
        asyncio.run(ask())
    assert done == ["after"]


def test_work_that_has_begun_counts():
    """Whoever asked is never told that nothing was done of work that was."""

    async def ask():
        between = Between(within=1.0)
        between.begin(line.submit)
        return await between.do(lambda: time.sleep(1.5) or "done")

    with ThreadPoolExecutor(1) as line:
        assert asyncio.run(ask()) == "done"
