"""A person hears of incidents: each once, again when it waits too long, and of its end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.incidents.conftest import A, Ward
from tests.notify.conftest import Listener, listener, until
from trustd.config import NotifySettings
from trustd.daemon.announcing import INCIDENT, of_incidents
from trustd.daemon.notifying import Notifying
from trustd.metrics import Meters
from trustd.model import Author, Notice, Severity
from trustd.model.incident import Conclusion
from trustd.pipeline.incidents import Act

__all__ = ["listener"]  # a fixture

ROOT = Author(0, 1, "root")


def notices(ward: Ward) -> list[Notice]:
    return list(of_incidents(ward.all, ward.rig.fleet))


def act(ward: Ward, what: str, text: str = "") -> None:
    conclusion = Conclusion.FALSE_ALARM if what == "resolve" else None
    ward.incidents.act(Act(1, what, ROOT, ward.rig.fleet.at, text, conclusion))


def test_an_open_incident_is_a_notice_with_whom_and_what_to_do(ward: Ward) -> None:
    """It names the incident, the guest, its disks and the commands; a calm fleet has none."""
    assert notices(ward) == []
    ward.fall()
    (told,) = notices(ward)
    assert (told.key, told.severity) == ("incident:1", ward.only.severity)
    assert [each.guest for each in told.guests] == [A]
    assert told.problem == ward.only.cause
    assert told.objects == tuple(
        disk.identity for disk in ward.rig.fleet.guests[A].guest.disks if disk.identity
    )
    assert told.objects
    assert "trustctl incident 1 ack" in " ".join(told.recommended)


def test_nobody_looking_in_time_makes_it_graver(ward: Ward) -> None:
    """Past its deadline it is news of the next severity; an acknowledgement takes that back."""
    ward.fall()
    (early,) = notices(ward)
    while not ward.only.overdue(ward.rig.fleet.at):
        ward.tick()
    (late,) = notices(ward)
    assert late.severity.rank == min(early.severity.rank + 1, Severity.CRITICAL.rank)
    assert late.stamp != early.stamp
    assert "overdue" in late.title
    act(ward, "ack")
    (seen,) = notices(ward)
    assert seen.stamp == early.stamp


def test_recovered_is_over_unless_nobody_looked_in_time(ward: Ward) -> None:
    """A recovery ends it; past the deadline it is told again, until somebody acknowledges it."""
    ward.fall()
    act(ward, "ack")
    ward.recover()
    ward.tick(3)
    assert ward.only.state == "recovered"
    assert notices(ward) == []
    ward.fall()
    (again,) = notices(ward)
    assert again.starts > ward.only.opened


def test_a_recovered_incident_that_nobody_looked_at_is_told(ward: Ward) -> None:
    """What went by itself and was never acknowledged still waits for somebody at its deadline."""
    ward.fall()
    ward.recover()
    while not ward.only.overdue(ward.rig.fleet.at):
        ward.tick()
    assert ward.only.state == "recovered"
    assert [each.labels["overdue"] for each in notices(ward)] == ["yes"]
    act(ward, "resolve")
    assert notices(ward) == []


@pytest.fixture
def telling(ward: Ward, listener: Listener) -> Iterator[list[Notifying]]:
    """The last one of it tells the ward's incidents to the listener."""
    running: list[Notifying] = []
    yield running
    for each in running:
        each.close()


def begin(telling: list[Notifying], ward: Ward, listener: Listener) -> Notifying:
    settings = NotifySettings.model_validate(
        {"bands": ["none"], "receivers": [{"name": "a", "kind": "webhook", "url": listener.url}]}
    )
    made = Notifying(settings, ward.rig.database, Meters("1"))
    made.follow(INCIDENT, lambda fleet: of_incidents(ward.incidents.standing.values(), fleet))
    made.start()
    telling.append(made)
    return made


def told(listener: Listener) -> list[tuple[str, str]]:
    events = [json.loads(body) for _, body in listener.sent]
    return [
        (each["subject"], each["type"].rsplit(".")[-1])
        for each in events
        if each["subject"].startswith("incident:")
    ]


def test_each_is_told_once_over_a_restart_too(
    ward: Ward, listener: Listener, telling: list[Notifying]
) -> None:
    """Tick after tick and over a restart one notice; its end is told when it is over."""
    notifying = begin(telling, ward, listener)
    ward.fall()
    for _ in range(3):
        notifying.observe(ward.tick())
    until(lambda: told(listener) == [("incident:1", "begun")])
    notifying.close()
    ward.restart()
    notifying = begin(telling, ward, listener)
    for _ in range(3):
        notifying.observe(ward.tick())
    ward.recover()
    ward.tick(3)
    notifying.observe(ward.rig.fleet)
    until(lambda: told(listener) == [("incident:1", "begun"), ("incident:1", "ended")])
