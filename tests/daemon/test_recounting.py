"""How a guest stood, told again from the journal."""

from __future__ import annotations

import pytest

from tests.daemon.host import Host
from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from trustd.api.office import NotKnown
from trustd.daemon.recounting import recount
from trustd.pipeline.backtest.before import narrowed_before
from trustd.pipeline.backtest.happened import Happened, Policies
from trustd.repository import Entry, Journal

A = guest_id(0)


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path, [web(0), web(1)], CALM) as found:
        yield found


def test_every_moment_is_told_as_it_was(host):
    """Band, since when, what moved it and what was under way on its devices are those of each
    tick, whatever came later; what came later is told as that."""
    seen = {}

    def pass_by(times):
        for _ in range(times):
            fleet = host.tick()
            guest = fleet.guests[A]
            seen[fleet.at] = guest

    pass_by(12)
    host.hypervisor.writes[A] = TOO_MUCH
    pass_by(4)
    host.hypervisor.writes.clear()
    pass_by(60)
    host.settle()
    past, bands = host.access.stores.past, []
    for at, guest in seen.items():
        told = recount(past, host.formerly, A, at)
        assert (told.guest, told.name, told.band) == (A, "web-0", guest.band), at
        assert {(each.lever, each.device) for each in told.actions} == {
            (each.action.lever, each.action.device)
            for each in guest.outcomes
            if each.status != "restored"
        }, at
        assert all(move.at <= at for move in told.moves)
        assert all(move.at > at for move in told.afterwards)
        bands.append(told.band)
    assert len(set(bands)) >= 2
    fell = next(at for at, guest in seen.items() if guest.band != "trusted")
    told = recount(past, host.formerly, "web-0", fell)
    assert any("disk.write.bytes" in because for because in told.moves[-1].because)
    assert told.afterwards[-1].after == "trusted"


def deed(at, lever, status):
    said = {"lever": lever, "device": "d", "setting": {}, "status": status}
    return Entry(at, A, "web-0", "action", {**said, "because": "x", "error": ""})


def test_a_lever_that_flaps_hides_nothing_that_holds(host):
    """What was taken away and still is is told, though another lever acted a thousand times."""
    fleet = host.tick(2)
    begun = fleet.at - 1.0
    flaps = [
        deed(begun + number / 2000, "cpu-quota", ("applied", "restored")[number % 2])
        for number in range(1, 1000)
    ]
    Journal(host.database).append([deed(begun, "nic-link", "applied"), *flaps]).result(60)
    host.settle()
    told = recount(host.access.stores.past, host.formerly, A, fleet.at)
    assert [(each.lever, each.at) for each in told.actions] == [("nic-link", begun)]
    past, happened = host.access.stores.past, Happened(Policies(lambda _: None, {}), None)
    assert narrowed_before(past, happened, fleet.at) == {A: begun}


def test_unknown_times_and_guests_are_said_to_be_unknown(host):
    """What the journal does not have is an error that says so, never a guess."""
    fleet = host.tick(2)
    host.settle()
    past = host.access.stores.past
    with pytest.raises(NotKnown, match="the journal begins"):
        recount(past, host.formerly, A, fleet.at - 86400)
    with pytest.raises(NotKnown, match="nobody"):
        recount(past, host.formerly, "nobody", fleet.at)
