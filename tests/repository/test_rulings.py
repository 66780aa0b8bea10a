"""Records of decisions: bounded for each caller, so that nobody crowds out another's."""

from __future__ import annotations

from collections import Counter

import pytest

from trustd.repository import Database, RulingLog, RulingRecord

AT = 1_790_000_000.0
KEEP = 1000


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "trustd.db")
    yield made
    made.close()


def ruling(caller: str, number: int) -> RulingRecord:
    return RulingRecord(
        AT + number,
        *(caller, "opa", "guest", str(number), "read", "volume", "v"),
        *(False, "r", "b", "enforce", "p"),
    )


def counts(database: Database) -> Counter[str]:
    return Counter(each.caller for each in RulingLog(database, KEEP).last(most=10**6))


def test_one_caller_crowds_out_nobody(database):
    """However much one asks, what another one asked before is still there; its own is bounded."""
    log = RulingLog(database, KEEP)
    log.append([ruling("quiet", number) for number in range(5)]).result(60)
    for start in range(0, 20 * KEEP, 100):
        done = log.append([ruling("loud", start + number) for number in range(100)])
    done.result(30)
    found = counts(database)
    assert found["quiet"] == 5
    assert KEEP <= found["loud"] <= KEEP * 1.2
    newest = log.last(most=1)[0]
    assert newest.subject == str(20 * KEEP - 1)


def test_the_bound_holds_over_restarts(database):
    """Runs that each ask little drop what earlier runs kept too much of."""
    for run in range(30):
        log = RulingLog(database, KEEP)
        log.append([ruling("a", run * 100 + number) for number in range(100)]).result(60)
    assert counts(database)["a"] <= KEEP + 100
