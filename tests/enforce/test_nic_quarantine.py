"""Quarantine and isolation on real guests: whom they still reach, and that all comes back."""

from collections.abc import Iterator

import pytest

from tests.enforce.nics import alike, interface_xml, tap
from tests.enforce.standing import MemoryLedger, action, everything, reconciled, statuses
from tests.lab.fixtures import StartGuests
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from trustd.enforce import Enforcer
from trustd.hypervisor.description import guest_from_xml
from trustd.model import Guest as Description
from trustd.model import GuestId, GuestState, Setting

pytestmark = pytest.mark.lab

CLOSED: Setting = {"network": "lab-closed"}
ISOLATED: Setting = {"isolated": "yes"}


@pytest.fixture(scope="module", autouse=True)
def _networks(hypervisor: Hypervisor) -> Iterator[None]:
    """A quarantine that runs, one that does not, and a network on a bridge of the host's."""
    hypervisor.run("ip", "link", "add", "lab-br", "type", "bridge")
    hypervisor.run("ip", "link", "set", "lab-br", "up")
    with hypervisor.connection() as connection:
        connection.networkDefineXML(
            "<network><name>lab-closed</name><bridge name='lab-q' stp='off' delay='0'/></network>"
        ).create()
        connection.networkDefineXML(
            "<network><name>lab-off</name><bridge name='lab-off' stp='off'/></network>"
        )
        connection.networkDefineXML(
            "<network><name>lab-outer</name><forward mode='bridge'/><bridge name='lab-br'/>"
            "</network>"
        ).create()
    yield
    with hypervisor.connection() as connection:
        for name in ("lab-closed", "lab-off", "lab-outer"):
            network = connection.networkLookupByName(name)
            if network.isActive():
                network.destroy()
            network.undefine()
    hypervisor.run("ip", "link", "del", "lab-br")


def narrowed(enforcer: Enforcer, guest: Guest, lever: str, setting: Setting) -> list[str]:
    return statuses(reconciled(enforcer, guest, action(guest, lever, setting, guest.spec.mac(0))))


def described(guest: Guest) -> Description:
    with guest.domain() as domain:
        xml = domain.XMLDesc(0)
    return guest_from_xml(GuestId(guest.uuid), guest.name, GuestState.RUNNING, xml)


def network_of(guest: Guest) -> str:
    """The network that the description of the guest gives its only interface."""
    (nic,) = described(guest).nics
    return nic.network


def test_in_quarantine_a_guest_reaches_nobody_and_comes_back(
    guest: Guest, neighbour: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """It is in the other network at once; afterwards in its own, with all that was there."""
    before, seen = alike(guest), described(guest)
    wait_until(guest.reaches, "the network", seconds=60)
    wait_until(lambda: guest.reaches(neighbour.address), "each other", seconds=60)

    assert narrowed(enforcer, guest, "quarantine", CLOSED) == ["applied"]
    assert network_of(guest) == "lab-closed"
    assert enforcer.undisturbed(described(guest)) == seen, "or its reason would disappear"
    assert f"{tap(guest)}: " in guest.hypervisor.run("bridge", "link").stdout
    assert not guest.reaches()
    assert not guest.reaches(neighbour.address)
    assert not neighbour.reaches(guest.address)
    assert guest.counters().carrier, "it is plugged in, elsewhere"

    assert statuses(reconciled(enforcer, guest)) == ["restored"]
    assert alike(guest) == before
    assert not ledger.kept
    wait_until(guest.reaches, "the network again", seconds=60)


def test_two_guests_in_quarantine_reach_one_another_unless_they_are_isolated(
    guest: Guest, neighbour: Guest, enforcer: Enforcer
) -> None:
    """The quarantine is one network; isolation beside it parts those who are in it."""
    before = alike(guest), alike(neighbour)
    for each in (guest, neighbour):
        narrowed(enforcer, each, "quarantine", CLOSED)
    wait_until(lambda: guest.reaches(neighbour.address), "each other", seconds=60)
    for each in (guest, neighbour):
        both = [
            action(each, lever, setting, each.spec.mac(0))
            for lever, setting in (("quarantine", CLOSED), ("isolate-port", ISOLATED))
        ]
        reconciled(enforcer, each, *both)
    assert not guest.reaches(neighbour.address)
    for each in (guest, neighbour):
        assert statuses(reconciled(enforcer, each)) == ["restored", "restored"]
    assert (alike(guest), alike(neighbour)) == before


@pytest.mark.parametrize(
    ("name", "why"), [("no-such-network", "no-such-network"), ("lab-off", "not active")]
)
def test_a_network_that_cannot_be_used_is_refused_and_nothing_moves(
    guest: Guest, enforcer: Enforcer, name: str, why: str
) -> None:
    """The refusal says what is wrong with it; the guest stays where it is."""
    before = alike(guest)
    (told,) = reconciled(
        enforcer, guest, action(guest, "quarantine", {"network": name}, guest.spec.mac(0))
    )
    assert told.status == "refused"
    assert name in told.error
    assert why in told.error
    assert alike(guest) == before
    wait_until(guest.reaches, "the network", seconds=60)
    reconciled(enforcer, guest)


BRIDGED = "<source bridge='virbr0'/>"
OUTER = "<source network='lab-outer'/>"


@pytest.mark.parametrize(("kind", "source"), [("bridge", BRIDGED), ("network", OUTER)])
def test_whatever_it_was_plugged_into_it_is_plugged_into_again(
    guests: StartGuests, enforcer: Enforcer, kind: str, source: str
) -> None:
    """A plain bridge, and a network that is a bridge of the host's: each comes back as it was."""
    mac = "52:54:00:ab:cd:02"
    device = (
        f"<interface type='{kind}'><mac address='{mac}'/>{source}"
        "<model type='virtio'/><rom enabled='no'/></interface>"
    )
    (plugged,) = guests(GuestSpec("plugged", disks=(), nics=0, devices=(device,)))
    same = everything if kind == "bridge" else alike
    before, network = same(plugged), network_of(plugged)
    told = reconciled(enforcer, plugged, action(plugged, "isolate-port", ISOLATED, mac))
    assert statuses(told) == ["applied"]
    assert network_of(plugged) == network, "another lever does not unplug it"
    told = reconciled(enforcer, plugged, action(plugged, "quarantine", CLOSED, mac))
    assert statuses(told) == ["applied", "restored"]
    assert network_of(plugged) == "lab-closed"
    assert [nic.network for nic in enforcer.undisturbed(described(plugged)).nics] == [network]
    assert statuses(reconciled(enforcer, plugged)) == ["restored"]
    assert same(plugged) == before
    assert network_of(plugged) == network


def test_isolated_ports_do_not_reach_one_another_and_all_others(
    guest: Guest, neighbour: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """Two isolated guests reach the gateway only; with one of them free they reach each other."""
    before = alike(guest), alike(neighbour)
    assert narrowed(enforcer, guest, "isolate-port", ISOLATED) == ["applied"]
    assert (
        "isolated on"
        in guest.hypervisor.run("bridge", "-d", "link", "show", "dev", tap(guest)).stdout
    )
    alone = "one alone is isolated from nobody"
    wait_until(lambda: guest.reaches(neighbour.address), alone, seconds=60)
    assert narrowed(enforcer, neighbour, "isolate-port", ISOLATED) == ["applied"]
    assert not guest.reaches(neighbour.address)
    for each in (guest, neighbour):
        wait_until(each.reaches, "the gateway", seconds=60)
    for each in (guest, neighbour):
        assert statuses(reconciled(enforcer, each)) == ["restored"]
    assert (alike(guest), alike(neighbour)) == before
    assert not ledger.kept
    wait_until(lambda: guest.reaches(neighbour.address), "each other again", seconds=60)


def test_an_isolation_that_was_stated_is_stated_afterwards(
    guest: Guest, enforcer: Enforcer
) -> None:
    """A definition that says yes is held and stays; one that says no says no afterwards."""
    plain = interface_xml(guest)
    with guest.domain() as domain:
        try:
            for said, first in (("yes", "held"), ("no", "applied")):
                stated = plain.replace("<model", f"<port isolated='{said}'/><model")
                domain.updateDeviceFlags(stated, 1)
                before = alike(guest)
                assert narrowed(enforcer, guest, "isolate-port", ISOLATED) == [first]
                reconciled(enforcer, guest)
                assert alike(guest) == before
        finally:
            domain.updateDeviceFlags(plain, 1)
