"""kill -9 at random moments under load, a hundred times: nothing that was acted on is lost."""

from __future__ import annotations

import multiprocessing
import random
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.api.fleets import guest_id
from tests.repository.killed import main
from trustd.repository import Asked, Audit, Database, Timelines

pytestmark = pytest.mark.slow

KILLS = 100
LONGEST = 0.35
"""Seconds that a process may write before it is killed, from what its run waits for on."""
FIRST = ("open", "open", "wall", "journal", "history")
"""What a run waits for, in turns: on a slow machine as well each of them comes about."""
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.repository.killed"])


def killed_run(path: Path, run: int, seconds: float) -> Iterator[tuple[str, str]]:
    """What one process told before it was killed."""
    ear, voice = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=main, args=(voice, path, run))
    process.start()
    voice.close()
    with ear:
        timer = threading.Timer(seconds, process.kill)
        first = FIRST[run % len(FIRST)]
        with suppress(EOFError):
            while True:
                kind, _, key = ear.recv_bytes().decode().partition(" ")
                if kind == first and timer.ident is None:
                    timer.start()
                yield kind, key
        assert timer.ident is not None, "it began to write"
        timer.join()
    process.join(90)
    assert process.exitcode == -signal.SIGKILL, "it was killed, and did not end by itself"


def rows(connection: sqlite3.Connection, query: str) -> set[str]:
    return {row[0] for row in connection.execute(query)}


@pytest.mark.timeout(600)
def test_a_hundred_kills_lose_nothing_that_was_acted_on(tmp_path):
    """The database opens each time; the chain verifies; every intent, decision, binding and
    journal entry that was told is there, and every timeline can be read."""
    path = tmp_path / "trustd.db"
    chance = random.Random(17)  # noqa: S311 - moments, no secrets
    told: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    latest = 0.0
    for run in range(KILLS):
        for kind, key in killed_run(path, run, chance.random() * LONGEST):
            told.setdefault(kind, set()).add(key)
            counts[kind] += 1
            latest = float(key) if kind == "history" else latest
        with closing(sqlite3.connect(path)) as connection:
            intents = rows(connection, "SELECT device FROM intent")
            assert not told.get("intent", set()) - told.get("undoing", set()) - intents
            assert not told.get("undone", set()) & intents
            # later runs prune these two: they are old by their clock
            assert not told.pop("decision", set()) - rows(
                connection, "SELECT subject FROM decision"
            )
            assert not told.get("wall", set()) - rows(connection, "SELECT value FROM wall")
            kept = rows(connection, "SELECT guest FROM transition")
            for key in told.pop("journal", set()):
                assert {f"{key}-{each}" for each in range(5)} <= kept
    database = Database(path)
    try:
        verdict = Audit(database).verify()
        assert verdict.faults == ()
        line = Timelines(database).trust(Asked(guest_id(3), 0.0, 2e9, 2000))
        assert line.points.at[-1] >= latest - 300, "what was stored is there"
    finally:
        database.close()
    with closing(sqlite3.connect(path)) as connection:
        assert rows(connection, "SELECT id FROM transition WHERE kind = 'pruned'")
    assert counts["open"] == KILLS
    assert min(counts[each] for each in ("intent", "decision", "wall", "journal")) > KILLS / 4
    assert counts["history"] > 10
