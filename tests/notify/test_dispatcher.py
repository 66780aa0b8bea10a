"""Notices reach every receiver once, whatever becomes of receivers and of trustd."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.notify.conftest import AT, Listener, notice, until
from trustd.model import Mode, Notice, Severity
from trustd.notify import Declined, Dispatcher, Endpoint, NotifyError, Receiver, Webhook
from trustd.repository import Database, NoticeStore


class Heard:
    """A channel that keeps what it is told, and fails while it is broken."""

    at_once = 1

    def __init__(self, renew: float = 0.0) -> None:
        self.renew = renew
        self.told: list[Notice] = []
        self.broken = False
        self.picky = ""
        self.tries = 0
        self.hold = threading.Event()
        self.hold.set()

    def send(self, notices: Sequence[Notice]) -> None:
        self.tries += 1
        self.hold.wait(60)
        if self.broken:
            raise NotifyError("broken")
        if any(each.key == self.picky for each in notices):
            raise Declined("bad")
        self.told.extend(notices)

    @property
    def news(self) -> list[tuple[str, bool]]:
        """Keys in the order in which they were told, and whether they had ended."""
        return [(each.key, each.ended) for each in self.told]


@contextmanager
def telling(
    database: Database, *channels: Any, clock: Callable[[], float] = lambda: AT + 99, **how: Any
) -> Iterator[Dispatcher]:
    made = Dispatcher(
        [
            Receiver(f"r{number}", "test", channel, first=0.01, clock=clock, **how)
            for number, channel in enumerate(channels)
        ],
        NoticeStore(database),
        clock=clock,
    )
    made.start()
    yield made
    made.close()


def stored(database: Database) -> int:
    """Rows that are kept, once everything that was submitted is there."""
    database.write(lambda _: None)
    with database.reading() as connection:
        (count,) = connection.execute(
            "SELECT (SELECT count(*) FROM notice) + (SELECT count(*) FROM notice_told)"
        ).fetchone()
    return int(count)


def test_what_begins_and_ends_is_told_once(database: Database) -> None:
    """The same condition, tick after tick, is one notice; its end is one more; nothing stays."""
    heard = Heard()
    with telling(database, heard) as dispatcher:
        for tick in range(5):
            dispatcher.begin(notice(starts=AT + tick))
        until(lambda: len(heard.told) == 1)
        dispatcher.end(notice().key, AT + 9)
        dispatcher.end(notice().key, AT + 10)
        until(lambda: len(heard.told) == 2)
        dispatcher.begin(notice("other"))
        until(lambda: len(heard.told) == 3)
        dispatcher.end("other", AT + 11)
        until(lambda: stored(database) == 0)
    assert heard.news == [
        (notice().key, False),
        (notice().key, True),
        ("other", False),
        ("other", True),
    ]
    assert heard.told[0].starts == heard.told[1].starts == AT


def test_what_becomes_graver_is_told_again(database: Database) -> None:
    """Severity, mode and band are news; a trust value that moves is none."""
    heard = Heard()
    with telling(database, heard) as dispatcher:
        dispatcher.begin(notice())
        until(lambda: len(heard.told) == 1)
        dispatcher.begin(notice(problem="its trust is another"))
        dispatcher.begin(notice(severity=Severity.CRITICAL))
        until(lambda: len(heard.told) == 2)
        dispatcher.begin(notice(severity=Severity.CRITICAL, mode=Mode.ENFORCE))
        until(lambda: len(heard.told) == 3)
    assert [each.severity for each in heard.told] == ["major", "critical", "critical"]


def test_a_restart_tells_nothing_again(database: Database) -> None:
    """What lasts was told; the next run tells only what it was not told, and the end."""
    first, second = Heard(), Heard()
    with telling(database, first) as dispatcher:
        dispatcher.begin(notice())
        until(lambda: len(first.told) == 1)
        first.broken = True
        dispatcher.begin(notice("second"))
        until(lambda: first.tries > 2)
    until(lambda: stored(database) == 3)
    with telling(database, second) as dispatcher:
        dispatcher.begin(notice(starts=AT + 500))
        until(lambda: len(second.told) == 1)
        dispatcher.end(notice().key, AT + 600)
        until(lambda: len(second.told) == 2)
    assert second.news == [("second", False), (notice().key, True)]
    assert second.told[1].starts == AT


def test_what_ended_while_nobody_could_be_told_is_told_after_a_restart(database: Database) -> None:
    """A guest that fell and rose while the receiver was down is told, as something over."""
    first, second = Heard(), Heard()
    first.broken = True
    with telling(database, first) as dispatcher:
        dispatcher.begin(notice())
        until(lambda: first.tries > 1)
        dispatcher.end(notice().key, AT + 5)
    database.write(lambda _: None)
    with telling(database, second):
        until(lambda: second.news == [(notice().key, True)])
        until(lambda: stored(database) == 0)


def test_a_broken_receiver_holds_nobody_up(database: Database, black_hole: str) -> None:
    """While one receiver hangs, the other hears at once, and whoever begins never waits."""
    heard = Heard()
    with telling(database, Webhook(Endpoint(black_hole, 30), "h"), heard) as dispatcher:
        began = time.monotonic()
        for number in range(200):
            dispatcher.begin(notice(f"n{number}"))
        took = time.monotonic() - began
        until(lambda: len(heard.told) == 200)
        assert took < 15
        assert dispatcher.states[0].waiting == 200


def test_a_receiver_that_recovers_hears_what_it_missed(
    database: Database, listener: Listener
) -> None:
    """Failures are tried again, and told as a state until they end."""
    listener.status = 500
    with telling(database, Webhook(Endpoint(listener.url, 60), "h")) as dispatcher:
        dispatcher.begin(notice())
        until(lambda: dispatcher.states[0].failures >= 2)
        assert "500" in dispatcher.states[0].error
        listener.status = 200
        until(lambda: dispatcher.states[0].waiting == 0)
        assert dispatcher.states[0].error == ""
        assert dispatcher.states[0].told == AT + 99


def test_beyond_the_bound_the_oldest_is_dropped(database: Database) -> None:
    """What waits is bounded, and what is dropped is counted."""
    heard = Heard()
    heard.hold.clear()
    with telling(database, heard, most=3) as dispatcher:
        dispatcher.begin(notice("n0"))
        until(lambda: heard.tries == 1)
        for number in range(1, 6):
            dispatcher.begin(notice(f"n{number}"))
        state = dispatcher.states[0]
        assert (state.waiting, state.dropped) == (3, 3)
        heard.hold.set()
        until(lambda: dispatcher.states[0].waiting == 0)
    assert {key for key, _ in heard.news} >= {"n3", "n4", "n5"}
    assert not {key for key, _ in heard.news} & {"n1", "n2"}


def test_one_notice_that_is_declined_holds_no_other_up(database: Database) -> None:
    """What a receiver will not have is given up, and the others are told, also of one batch."""
    heard = Heard()
    heard.at_once, heard.picky = 10, "n1"
    heard.hold.clear()
    with telling(database, heard) as dispatcher:
        for number in range(3):
            dispatcher.begin(notice(f"n{number}"))
        heard.hold.set()
        until(lambda: dispatcher.states[0].waiting == 0)
    assert {key for key, _ in heard.news} == {"n0", "n2"}


def test_milder_ones_are_not_told_and_end_where_they_were_graver(database: Database) -> None:
    """A receiver hears nothing below its severity, and the end of what falls below it."""
    heard = Heard()
    with telling(database, heard, least=Severity.CRITICAL) as dispatcher:
        dispatcher.begin(notice("mild"))
        dispatcher.begin(notice("grave", severity=Severity.CRITICAL))
        until(lambda: len(heard.told) == 1)
        dispatcher.begin(notice("grave"))
        until(lambda: len(heard.told) == 2)
    assert heard.news == [("grave", False), ("grave", True)]


def test_a_receiver_that_forgets_is_reminded_of_what_lasts(database: Database) -> None:
    """What lasts is told anew again and again, and what is over is not."""
    heard = Heard(renew=0.05)
    with telling(database, heard) as dispatcher:
        dispatcher.begin(notice())
        dispatcher.begin(notice("second"))
        until(lambda: heard.news.count((notice().key, False)) > 3)
        dispatcher.end(notice().key, AT + 5)
        until(lambda: (notice().key, True) in heard.news)
        at = len(heard.told)
        until(lambda: len(heard.told) > at + 3)
        assert {key for key, _ in heard.news[at:]} == {"second"}
