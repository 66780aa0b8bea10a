"""The packet filter on real guests: one direction ends, whatever the guest does, and comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.enforce.conftest import SETTINGS
from tests.enforce.nics import (
    ARP,
    BROADCAST,
    alike,
    change_interface,
    filters,
    gets,
    heard,
    interface_xml,
    known_to_host,
    misses,
)
from tests.enforce.standing import MemoryLedger, action, everything, reconciled, statuses
from tests.lab.fixtures import StartGuests
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from trustd.enforce import Enforcer, standard_actuators
from trustd.enforce.actuators import NicFilter
from trustd.enforce.filters import Filter
from trustd.hypervisor import ControlConnection
from trustd.model import GuestId, Outcome, Setting

pytestmark = pytest.mark.lab

NO_SENDING: Setting = {"deny_send": True}
NO_RECEIVING: Setting = {"deny_receive": True}


@pytest.fixture
def enforcer(control: ControlConnection, ledger: MemoryLedger) -> Iterator[Enforcer]:
    """Waits for what it asks for: rules take a busy host a while."""
    started = Enforcer(control, ledger, standard_actuators(), SETTINGS)
    yield started
    started.restore_all(at=9.0, within=60)
    started.close()


def narrowed(enforcer: Enforcer, guest: Guest, setting: Setting) -> list[str]:
    """What becomes of it in the end: a busy host may need longer than the deadline."""
    told = reconciled(enforcer, guest, action(guest, "nic-filter", setting, guest.spec.mac(0)))
    return landed(enforcer, guest, told)


def given_back(enforcer: Enforcer, guest: Guest) -> list[str]:
    return landed(enforcer, guest, reconciled(enforcer, guest))


def landed(enforcer: Enforcer, guest: Guest, told: tuple[Outcome, ...]) -> list[str]:
    def over() -> bool:
        nonlocal told
        if "timed-out" in statuses(told):
            told = enforcer.reconcile({}, at=1.5).get(GuestId(guest.uuid), told)
        return "timed-out" not in statuses(told)

    wait_until(over, "the rules are in force", seconds=120)
    return statuses(told)


def arrives(guest: Guest) -> bool:
    return guest.rates(seconds=0.5).received > 100_000


def test_what_lost_sending_sends_nothing_and_receives(
    guest: Guest, neighbour: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """Flows that exist, ARP and IPv6 end at the port; what is sent to the guest still arrives."""
    before, before_filters = alike(guest), filters(guest.hypervisor)
    guest.flood(500, to=neighbour.address)
    guest.scan("hosts")
    wait_until(lambda: arrives(neighbour), "the flood arrives", seconds=60)
    wait_until(lambda: heard(guest).get(ARP, 0) > 5, "it asks for addresses", seconds=60)

    assert narrowed(enforcer, guest, NO_SENDING) == ["applied"]
    assert heard(guest) == {}
    wait_until(lambda: not arrives(neighbour), "what was on its way is there", seconds=60)
    wait_until(lambda: guest.rates().sent > 100_000, "the guest itself goes on", seconds=60)
    assert not arrives(neighbour)
    assert heard(guest) == {}
    guest.quiet()
    assert not guest.reaches()
    assert gets(guest, BROADCAST)
    with known_to_host(guest):
        assert gets(guest, guest.address)

    guest.flood(500, to=neighbour.address)
    assert given_back(enforcer, guest) == ["restored"]
    wait_until(lambda: arrives(neighbour), "the flood arrives again", seconds=60)
    wait_until(guest.reaches, "the network again", seconds=60)
    assert alike(guest) == before
    assert filters(guest.hypervisor) == before_filters
    assert not ledger.kept


def test_what_lost_receiving_receives_nothing_and_sends(
    guest: Guest, neighbour: Guest, enforcer: Enforcer
) -> None:
    """Not a byte reaches the guest, from the host or from another; what it sends arrives."""
    before = alike(guest)
    wait_until(lambda: guest.reaches(neighbour.address), "each other", seconds=60)
    guest.flood(500, to=neighbour.address)
    wait_until(lambda: arrives(neighbour), "the flood arrives", seconds=60)

    assert narrowed(enforcer, guest, NO_RECEIVING) == ["applied"]
    wait_until(lambda: arrives(neighbour), "the flood goes on", seconds=60)
    wait_until(lambda: guest.rates().received == 0, "what was on its way is there", seconds=60)
    received = guest.counters().received
    neighbour.flood(500, to=guest.address)
    assert misses(guest, BROADCAST)
    with known_to_host(guest):
        assert misses(guest, guest.address)
    assert guest.counters().received == received

    assert given_back(enforcer, guest) == ["restored"]
    wait_until(guest.reaches, "the network again", seconds=60)
    assert alike(guest) == before


def test_losing_one_after_the_other_is_losing_both(guest: Guest, enforcer: Enforcer) -> None:
    """From one direction to both and back to the other: each is in force, and the undo is exact."""
    before = alike(guest)
    both: Setting = {"deny_send": True, "deny_receive": True}
    for setting, name in (
        (NO_SENDING, Filter(("send",)).name),
        (both, Filter(("receive", "send")).name),
        (NO_RECEIVING, Filter(("receive",)).name),
    ):
        assert narrowed(enforcer, guest, setting) == ["applied"]
        assert filters(guest.hypervisor) == [name]
        assert f"<filterref filter='{name}'/>" in interface_xml(guest)
        enforcer.resync()
        told = enforcer.reconcile({}, at=2.0)[GuestId(guest.uuid)]
        assert landed(enforcer, guest, told) == ["held"]
    assert given_back(enforcer, guest) == ["restored"]
    assert alike(guest) == before


DEAF = """
<filter name='lab-deaf' chain='root'>
  <rule action='drop' direction='in' priority='100'>
    <ip protocol='udp' dstportstart='$PORT'/>
  </rule>
</filter>
"""


@pytest.fixture
def deaf(hypervisor: Hypervisor) -> Iterator[str]:
    """An operator's filter that lets no UDP to one port in."""
    with hypervisor.connection() as connection:
        connection.nwfilterDefineXML(DEAF)
    yield "lab-deaf"
    with hypervisor.connection() as connection:
        connection.nwfilterLookupByName("lab-deaf").undefine()


@pytest.fixture
def filtered(guest: Guest, deaf: str) -> Iterator[Guest]:
    """A guest on which an operator's filter is."""
    plain = interface_xml(guest)
    parameter = "<parameter name='PORT' value='9'/>"
    change_interface(guest, "<model", f"<filterref filter='{deaf}'>{parameter}</filterref><model")
    yield guest
    with guest.domain() as domain:
        domain.updateDeviceFlags(plain, 1)


def test_an_operators_filter_goes_on_beneath_ours(filtered: Guest, enforcer: Enforcer) -> None:
    """What the host's own filter drops stays dropped while ours is there, and it comes back."""
    before = alike(filtered)
    assert misses(filtered, BROADCAST, port=9)
    assert gets(filtered, BROADCAST, port=10)

    assert narrowed(enforcer, filtered, NO_SENDING) == ["applied"]
    assert not filtered.reaches()
    assert misses(filtered, BROADCAST, port=9)
    assert gets(filtered, BROADCAST, port=10)
    with filtered.hypervisor.connection() as connection:
        theirs = connection.nwfilterLookupByName("lab-deaf").XMLDesc()
    assert "priority='100'" in theirs

    assert given_back(enforcer, filtered) == ["restored"]
    assert alike(filtered) == before
    assert filters(filtered.hypervisor) == []
    assert misses(filtered, BROADCAST, port=9)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        pytest.param(
            "<filter name='lab-open' chain='root'>"
            "<rule action='accept' direction='inout' priority='-1000'/></filter>",
            "lab-open",
            id="an early rule",
        ),
        pytest.param(
            "<filter name='lab-arp' chain='arp' priority='-1000'>"
            "<rule action='accept' direction='inout' priority='-1000'/></filter>",
            "lab-arp",
            id="an early chain",
        ),
        pytest.param("", "clean-traffic", id="a filter that waits for an address"),
    ],
)
def test_no_filter_of_the_host_opens_or_delays_what_is_lost(
    guest: Guest, enforcer: Enforcer, document: str, name: str
) -> None:
    """Nothing leaves from the moment at which it is applied, whatever filter was there before."""
    plain = interface_xml(guest)
    with guest.hypervisor.connection() as connection:
        if document:
            connection.nwfilterDefineXML(document)
    change_interface(guest, "<model", f"<filterref filter='{name}'/><model")
    before = alike(guest)
    try:
        guest.scan("hosts", tries=50)
        assert narrowed(enforcer, guest, NO_SENDING) == ["applied"]
        assert heard(guest) == {}
        guest.quiet()
        assert given_back(enforcer, guest) == ["restored"]
        assert alike(guest) == before
    finally:
        with guest.domain() as domain:
            domain.updateDeviceFlags(plain, 1)
        with guest.hypervisor.connection() as connection:
            if document:
                connection.nwfilterLookupByName(name).undefine()


def test_a_filter_that_the_policy_names_is_put_on_and_taken_off(
    guest: Guest, enforcer: Enforcer
) -> None:
    """The measure lets the host's own filter hold, as it is, and nothing else."""
    with guest.hypervisor.connection() as connection:
        connection.nwfilterDefineXML(
            "<filter name='lab-mute' chain='root'>"
            "<rule action='drop' direction='out' priority='0'><ip protocol='icmp'/></rule></filter>"
        )
    before = alike(guest)
    try:
        wait_until(guest.reaches, "the network", seconds=60)
        assert narrowed(enforcer, guest, {"filter": "lab-mute"}) == ["applied"]
        assert not guest.reaches()
        assert gets(guest, BROADCAST)
        assert given_back(enforcer, guest) == ["restored"]
        assert alike(guest) == before
        wait_until(guest.reaches, "the network again", seconds=60)
    finally:
        with guest.hypervisor.connection() as connection:
            connection.nwfilterLookupByName("lab-mute").undefine()


def test_a_filter_that_is_not_there_is_refused_and_the_rules_stay(
    filtered: Guest, enforcer: Enforcer
) -> None:
    """The refusal names what is missing; what was in force is in force."""
    before = alike(filtered)
    (told,) = reconciled(
        enforcer,
        filtered,
        action(filtered, "nic-filter", {"filter": "no-such-filter"}, filtered.spec.mac(0)),
    )
    assert told.status == "refused"
    assert told.error == "the host has no packet filter no-such-filter"
    assert alike(filtered) == before
    assert filters(filtered.hypervisor) == []
    assert misses(filtered, BROADCAST, port=9)
    wait_until(filtered.reaches, "the network", seconds=60)
    given_back(enforcer, filtered)


def test_a_filter_that_somebody_changed_is_not_relied_on(guest: Guest, enforcer: Enforcer) -> None:
    """A filter of the right name with other rules is not ours: refused, and not overwritten."""
    before, ours = alike(guest), Filter(("send",))
    forged = ours.document.replace('action="drop"', 'action="accept"')
    with guest.hypervisor.connection() as connection:
        connection.nwfilterDefineXML(forged)
        kept = connection.nwfilterLookupByName(ours.name).XMLDesc()
    try:
        assert narrowed(enforcer, guest, NO_SENDING) == ["refused"]
        assert alike(guest) == before
    finally:
        with guest.hypervisor.connection() as connection:
            theirs = connection.nwfilterLookupByName(ours.name)
            assert theirs.XMLDesc() == kept
            theirs.undefine()
    given_back(enforcer, guest)


def test_a_filter_goes_with_the_last_guest_that_needs_it(
    guest: Guest, neighbour: Guest, enforcer: Enforcer
) -> None:
    """Two guests share one filter; it is there until neither is narrowed any more."""
    name = Filter(("send",)).name
    narrowed(enforcer, guest, NO_SENDING)
    narrowed(enforcer, neighbour, NO_SENDING)
    assert filters(guest.hypervisor) == [name]
    assert given_back(enforcer, guest) == ["restored"]
    assert filters(guest.hypervisor) == [name]
    assert not neighbour.reaches()
    assert given_back(enforcer, neighbour) == ["restored"]
    assert filters(guest.hypervisor) == []


def test_a_saved_guest_can_be_restored_after_everything_was_given_back(
    guests: StartGuests, enforcer: Enforcer, guest: Guest
) -> None:
    """An image names the filter that was in force: that stays as long as there is an image."""
    (saved,) = guests(GuestSpec("saved", disks=()))
    assert narrowed(enforcer, saved, NO_SENDING) == ["applied"]
    saved.close()
    with saved.domain() as domain:
        domain.managedSave()
        narrowed(enforcer, guest, NO_SENDING)
        given_back(enforcer, guest)
        kept = filters(guest.hypervisor)
        domain.create()
    assert kept == [Filter(("send",)).name]
    saved.wait_ready()
    assert not saved.reaches()
    assert given_back(enforcer, saved) == ["restored"]
    assert filters(guest.hypervisor) == []
    wait_until(saved.reaches, "the network again", seconds=60)


def test_on_a_plain_bridge_the_definition_is_afterwards_the_same_to_the_byte(
    guests: StartGuests, enforcer: Enforcer
) -> None:
    """Without a libvirt network nothing at all is drawn anew."""
    mac = "52:54:00:ab:cd:01"
    device = (
        f"<interface type='bridge'><mac address='{mac}'/><source bridge='virbr0'/>"
        "<model type='virtio'/><rom enabled='no'/></interface>"
    )
    (bridged,) = guests(GuestSpec("bridged", disks=(), nics=0, devices=(device,)))
    before = everything(bridged)
    told = reconciled(enforcer, bridged, action(bridged, "nic-filter", NO_SENDING, mac))
    assert landed(enforcer, bridged, told) == ["applied"]
    assert not bridged.reaches()
    assert given_back(enforcer, bridged) == ["restored"]
    assert everything(bridged) == before


def test_a_host_without_the_programs_says_so(guest: Guest, tmp_path: Path) -> None:
    """The probe names what libvirt would look for in vain."""
    with guest.domain() as domain:
        assert NicFilter().probe(domain) == ""
        assert (
            NicFilter(str(tmp_path)).probe(domain)
            == "the host has no ebtables, iptables, ip6tables"
        )
