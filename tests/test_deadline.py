"""A blocking call with a deadline that holds."""

from __future__ import annotations

import threading

import pytest

from trustd.deadline import Worker
from trustd.errors import TimedOut


@pytest.fixture
def worker():
    worker = Worker("test", most=2)
    yield worker
    worker.close()


def wait_until(condition, seconds=30.0):
    done = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        done.wait(0.01)
    pytest.fail("the condition did not come about")


def test_result_and_error_come_back(worker):
    """A call's result is returned and its exception raised, as if it were called here."""
    assert worker.call(lambda: 7, timeout=60) == 7
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 // 0, timeout=60)


def test_own_timeout_error_is_not_a_missed_deadline(worker):
    """A TimeoutError of the call itself is passed on, and nothing counts as abandoned."""

    def fail():
        raise TimeoutError("the call's own")

    with pytest.raises(TimeoutError, match="own"):
        worker.call(fail, timeout=60)
    assert worker.abandoned == 0


def test_hung_call_costs_the_next_nothing(worker):
    """A call that hangs is given up at its deadline, and the next one is answered."""
    release = threading.Event()
    with pytest.raises(TimedOut):
        worker.call(release.wait, timeout=0.05)
    assert worker.abandoned == 1
    assert worker.call(lambda: "next", timeout=60) == "next"
    release.set()
    wait_until(lambda: worker.abandoned == 0)


def test_hung_calls_are_bounded(worker):
    """Beyond the most abandoned calls none is begun, until one comes back."""
    release = threading.Event()
    begun = []
    for _ in range(2):
        with pytest.raises(TimedOut):
            worker.call(release.wait, timeout=0.05)
    with pytest.raises(TimedOut, match="have not come back"):
        worker.call(lambda: begun.append(1), timeout=60)
    assert begun == []
    release.set()
    wait_until(lambda: worker.abandoned == 0)
    assert worker.call(lambda: 1, timeout=60) == 1
