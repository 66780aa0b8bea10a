"""A process that writes as the daemon does, and says what it may act on; to be killed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from tests.api.fleets import FEATURES, assessed, fleet, guest_id
from trustd.model import GuestId, Intent
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.remembering import Remembering
from trustd.repository import Database, Entry, IntentLedger, RulingLog, Timelines, WallHistory
from trustd.repository.retention import Bounds, Retention
from trustd.repository.rulings import RulingRecord

GUESTS = 40
_DAY = 86400.0


def begin_of(run: int) -> float:
    """Epoch seconds at which a run takes place: what earlier ones wrote is old by then."""
    return 1e9 + run * 1e6


class Voice:
    """Tells what is acted on from then on: a short write, which a pipe keeps whole."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def say(self, *words: object) -> None:
        with self._lock:
            self._pipe.send_bytes(" ".join(map(str, words)).encode())


def main(pipe: Connection, path: Path, run: int) -> None:
    """Write until killed."""
    database = Database(path)
    voice = Voice(pipe)
    voice.say("open", run)
    threads = [
        threading.Thread(target=each, args=(database, run, voice.say), daemon=True)
        for each in (history, answers, ticks)
    ]
    for thread in threads:
        thread.start()
    enforcement(database, run, voice.say)


def enforcement(database: Database, run: int, say: Callable[..., None]) -> None:
    """Intents before the act: what is told here was done to a guest."""
    ledger = IntentLedger(database)
    for number in itertools.count():
        device = f"{run}-{number}"
        ledger.record(Intent(guest_id(1), "lever", device, "run", {"was": number}, ({},), 1.0))
        say("intent", device)
        if number % 7 == 0:
            say("undoing", device)
            ledger.forget(guest_id(1), "lever", device)
            say("undone", device)


def answers(database: Database, run: int, say: Callable[..., None]) -> None:
    """Decisions that bind a wall, and others: what is told here was answered."""
    walls, log = WallHistory(database), RulingLog(database, 10**6)
    for number in itertools.count():
        key = f"{run}-{number}"
        record = RulingRecord(
            begin_of(run),
            "c",
            "opa",
            "guest",
            key,
            "read",
            "volume",
            "v",
            True,
            "r",
            "b",
            "enforce",
            "p",
        )
        if number % 3:
            log.append([record]).result()
        else:
            walls.bind([("wall", key)], record).result()
            say("wall", key)
        say("decision", key)


def ticks(database: Database, run: int, say: Callable[..., None]) -> None:
    """The line's side: the journal, a tick at a time; told once it is on the disk."""
    keeping = Keeping(database)
    for number in itertools.count():
        key = f"{run}-{number}"
        at = begin_of(run)
        entries = [Entry(at, GuestId(f"{key}-{each}"), "n", "action", {}) for each in range(5)]
        keeping.note(entries=entries)
        keeping.flush()
        keeping.settle(30)
        say("journal", key)


def history(database: Database, run: int, say: Callable[..., None]) -> None:
    """Timelines, rolled up and pruned while everything else is written."""
    remembering = Remembering(Timelines(database), FEATURES)
    bounds = Bounds((3600.0, _DAY, _DAY), _DAY, _DAY, 1e12)
    now = [begin_of(run)]
    retention = Retention(database, bounds, clock=lambda: now[0], steady=lambda: 1e3 * now[0])
    for _ in itertools.count():
        for _ in range(60):
            now[0] += 5.0
            guests = [assessed(f"g{each}", each) for each in range(GUESTS)]
            remembering.note(fleet(*guests, at=now[0]))
        remembering.store()
        say("history", now[0])
        retention.run()
