"""The audit trail, replayed, is the state of the daemon that wrote it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.host import Host
from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from trustd.api.access_shapes import LabelChange
from trustd.api.peer import Peer
from trustd.config import AdministrationSettings
from trustd.daemon.administration import Administration
from trustd.daemon.between import Between
from trustd.model import Author, Bound, GuestState, Override, Pause, Protection, Term
from trustd.model.incident import Conclusion
from trustd.pipeline.incidents import Act, Incidents
from trustd.repository import Audit, IncidentStore

A, B, C, D = (guest_id(number) for number in range(4))
ROOT = Author(0, 1, "root")
POLICY = CALM + "\nincidents: {open_at: guarded, reopen: 1h}\n"
OTHER = CALM.replace("rise: 360/h", "rise: 3600/h") + "\nincidents: {open_at: guarded}\n"


class Lively(Host):
    """A host on which much happens, and whose every state can be compared with its trail."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.compared: list[dict[str, Any]] = []

    def start(self) -> None:
        super().start()
        self.incidents = Incidents(IncidentStore(self.database))
        self.office = Administration(
            self.access, AdministrationSettings(), Between(), self.reloading
        )

    def pass_by(self, times: int) -> None:
        for _ in range(times):
            self.tick()
            self.incidents.step(self.fleet, self.narrowing.policy)
        self.compare()

    def term(self, seconds: float) -> Term:
        return Term(self.hypervisor.at, self.hypervisor.clock, seconds)

    def give(self, order: Any) -> None:
        self.line.overriding.give(order, at=self.hypervisor.at)

    def take(self, kind: str, guest: str) -> None:
        self.line.overriding.take((kind, guest), ROOT, "enough", at=self.hypervisor.at)

    def relabel(
        self, kind: str, identity: str, *, remove: tuple[str, ...] = (), **given: str
    ) -> None:
        self.office.relabel(LabelChange(kind, identity, given, remove), Peer(1, os.getuid(), 0))

    def live(self) -> dict[str, Any]:
        """What is so, as the daemon goes by it."""
        orders = self.line.overriding.orders
        return {
            "policy": self.fleet.policy.id,
            "guests": {
                id_: (
                    seen.guest.name,
                    str(seen.guest.state),
                    seen.band,
                    dict(seen.guest.labels),
                    list(seen.subject.roles),
                    seen.subject.protected,
                )
                for id_, seen in self.access.point.world.guests.items()
            },
            "objects": {
                (ref.type, ref.id): dict(found)
                for ref, found in self.narrowing.registry.objects.items()
                if found
            },
            "labels": {
                place: dict(found) for place, found in self.access.stores.labels.all().items()
            },
            "orders": {
                *(("override", id_) for id_ in orders.overrides),
                *(("protect", id_) for id_ in orders.protections),
                *([("pause", "")] if orders.pause else []),
            },
            "bounds": {id_: (str(o.bound), o.band) for id_, o in orders.overrides.items()},
            "incidents": {
                number: str(each.state)
                for number, each in self.incidents.standing.items()
                if each.open
            },
        }

    def replayed(self) -> dict[str, Any]:
        """The same from the trail alone."""
        self.incidents.close()
        self.settle()
        found = Audit(self.database).replayed()
        names = ("name", "state", "band", "labels", "roles", "protected")
        return {
            "policy": found.policy,
            "guests": {id_: tuple(g[name] for name in names) for id_, g in found.guests.items()},
            "objects": dict(found.objects),
            "labels": dict(found.labels),
            "orders": set(found.orders),
            "bounds": {
                guest: (given["bound"], given["band"])
                for (kind, guest), given in found.orders.items()
                if kind == "override"
            },
            "incidents": dict(found.incidents),
        }

    def compare(self) -> None:
        live = self.live()
        assert self.replayed() == live
        self.compared.append(live)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Lively]:
    with Lively(tmp_path, [web(0), web(1), web(2)], POLICY) as found:
        yield found


def test_the_trail_adds_up_to_the_state_at_every_step(host: Lively) -> None:
    """Falls, labels, orders that are given, taken and end, policies, guests that come and go, and
    restarts: after each of them the replayed trail is what the daemon goes by."""
    host.pass_by(15)
    host.hypervisor.writes[A] = TOO_MUCH
    host.pass_by(4)
    host.relabel("guest", B, owner="alice", app="db")
    host.relabel("volume", "/images/1.qcow2", state="sealed")
    host.pass_by(2)
    host.give(Override(B, "guarded", Bound.AT_MOST, host.term(8.0), ROOT, "a look"))
    host.give(Protection(C, host.term(1e6), ROOT, "the firewall"))
    host.pass_by(2)
    assert host.live()["orders"] == {("override", B), ("protect", C)}
    host.pass_by(4)
    assert host.live()["orders"] == {("protect", C)}, "it did not end"
    host.give(Pause(True, host.term(600.0), ROOT, "maintenance"))
    host.give(Override(A, "trusted", Bound.PIN, host.term(600.0), ROOT, "it is well"))
    host.pass_by(2)
    host.path.write_text(OTHER)
    host.reloading.now(by={"uid": 0, "pid": 1})
    host.relabel("guest", B, remove=("owner",))
    host.pass_by(2)
    host.stop()
    # a policy that was exchanged while nobody ran
    host.path.write_text(POLICY)
    host.start()
    host.hypervisor.change(web(3))
    host.hypervisor.change(web(2, state=GuestState.SHUTOFF))
    host.pass_by(2)
    host.take("pause", "")
    host.take("override", A)
    host.pass_by(3)
    host.hypervisor.writes.clear()
    host.hypervisor.undefine(C)
    host.pass_by(60)
    number = min(host.incidents.standing)
    host.incidents.act(Act(number, "resolve", ROOT, host.hypervisor.at, "", Conclusion.FALSE_ALARM))
    host.compare()
    assert len(set(map(str, host.compared))) >= 10
    assert Audit(host.database).verify().faults == ()


def test_an_earlier_state_is_replayed_too(host: Lively) -> None:
    """Without the records after a time the trail adds up to what was so then."""
    host.pass_by(15)
    then, before = host.live(), host.hypervisor.at
    host.hypervisor.writes[A] = TOO_MUCH
    host.pass_by(1)
    host.give(Protection(C, host.term(1e6), ROOT, "the firewall"))
    host.pass_by(6)
    assert host.live() != then
    found = Audit(host.database).replayed(before)
    assert {id_: each["band"] for id_, each in found.guests.items()} == {
        id_: each[2] for id_, each in then["guests"].items()
    }
    assert (found.orders, found.incidents) == ({}, {})


def test_a_record_that_makes_no_sense_stops_no_replay(host: Lively) -> None:
    """What was tampered with tells nothing, and everything else is as it was; it is found."""
    host.pass_by(3)
    host.database.write(
        lambda each: each.execute(
            "INSERT INTO transition (id, at, guest, name, kind, document, hash)"
            " SELECT max(id) + 1, ?, '', '', 'label', '[1, ', x'00' FROM transition",
            (time.time(),),
        )
    )
    host.compare()
    assert Audit(host.database).verify().faults


def recovering(host: Lively, steps: Sequence[float]) -> list[tuple[str, float]]:
    """How a guest fares after it fell, while the clock is set by so many hours at each tick."""
    host.pass_by(15)
    host.hypervisor.writes[A] = TOO_MUCH
    host.pass_by(4)
    host.hypervisor.writes.clear()
    found = []
    for hours in steps:
        host.hypervisor.at += hours * 3600.0
        host.pass_by(1)
        now = host.fleet.guests[A]
        found.append((now.band, round(now.trust, 3)))
    return found


def test_a_clock_that_lies_by_hours_changes_no_state(tmp_path: Path) -> None:
    """Set hours ahead and back after a fall, no guest gets anything back sooner, no order lasts
    longer, the trail verifies, and it still adds up to what the daemon goes by."""
    (tmp_path / "true").mkdir()
    (tmp_path / "lying").mkdir()
    with Lively(tmp_path / "true", [web(0), web(1), web(2)], POLICY) as host:
        true = recovering(host, [0.0] * 8)
    assert {band for band, _ in true} == {"guarded", "trusted"}
    with Lively(tmp_path / "lying", [web(0), web(1), web(2)], POLICY) as host:
        assert recovering(host, [5, -9, 12, -3, 0, -24, 30, 1]) == true
        host.give(Protection(C, host.term(4.0), ROOT, "a look"))
        host.hypervisor.at -= 5 * 3600.0
        host.pass_by(4)
        assert host.live()["orders"] == set(), "a clock set back lengthened an order"
        assert Audit(host.database).verify().faults == ()
