"""All levers of one interface at once: each touches its own part, in whatever order."""

from collections.abc import Iterator
from itertools import pairwise

import libvirt
import pytest

from tests.enforce.nics import alike, filters, queues
from tests.enforce.shaping import supply
from tests.enforce.standing import feels_link
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from trustd.enforce.actuator import Actuator
from trustd.enforce.actuators import IsolatePort, NicBandwidth, NicFilter, NicLink, Quarantine
from trustd.enforce.kernel import lacking
from trustd.model import Setting

pytestmark = pytest.mark.lab

WANTED: dict[str, tuple[Actuator, Setting]] = {
    "bandwidth": (NicBandwidth(), {"receive_bytes_sec": 100_000, "send_bytes_sec": 50_000}),
    "filter": (NicFilter(), {"deny_send": True}),
    "isolation": (IsolatePort(), {"isolated": "yes"}),
    "link": (NicLink(), {"link": "down"}),
    "quarantine": (Quarantine(), {"network": "lab-apart"}),
}
FORTH = list(WANTED)
ORDERS = [
    (FORTH, FORTH[::-1]),
    (FORTH, FORTH),
    (FORTH[::-1], FORTH[2:] + FORTH[:2]),
    (FORTH[3:] + FORTH[:3], ["filter", "quarantine", "bandwidth", "isolation", "link"]),
]


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    directory = tmp_path_factory.mktemp("together")
    with Hypervisor("together", shared=[directory]) as hypervisor:
        if lacking({"NET_SCH_SFQ": "sch_sfq", "NET_ACT_POLICE": "act_police"}):
            supply(hypervisor)
        with hypervisor.connection() as connection:
            connection.networkCreateXML(
                "<network><name>lab-apart</name><bridge name='lab-a' stp='off' delay='0'/>"
                "</network>"
            )
        (started,) = hypervisor.start(GuestSpec("subject"))
        yield started


def states(domain: libvirt.virDomain, mac: str) -> dict[str, Setting]:
    return {name: lever.read(domain, mac) for name, (lever, _) in WANTED.items()}


def changed(before: dict[str, Setting], after: dict[str, Setting]) -> list[str]:
    return [name for name in before if before[name] != after[name]]


@pytest.fixture
def prior(subject: Guest) -> Iterator[dict[str, Setting]]:
    """What is there at first; a test that fails does not leave anything else."""
    mac = subject.spec.mac(0)
    with subject.domain() as domain:
        found = states(domain, mac)
    yield found
    with subject.domain() as domain:
        for name in changed(found, states(domain, mac)):
            WANTED[name][0].write(domain, mac, found[name])


@pytest.mark.parametrize(("apply", "undo"), ORDERS)
def test_each_lever_changes_only_its_own_part_and_all_of_it_comes_back(
    subject: Guest, prior: dict[str, Setting], apply: list[str], undo: list[str]
) -> None:
    """After every step one state has changed and no other; at the end all is as it was."""
    before, queued, mac = alike(subject), queues(subject), subject.spec.mac(0)
    wait_until(subject.reaches, "the network", seconds=60)
    with subject.domain() as domain:
        seen = [prior]
        for name in apply:
            lever, wanted = WANTED[name]
            lever.write(domain, mac, lever.tightened(prior[name], wanted, mac))
            seen.append(states(domain, mac))
        for name in undo:
            WANTED[name][0].write(domain, mac, prior[name])
            seen.append(states(domain, mac))
    steps = [changed(one, next_one) for one, next_one in pairwise(seen)]
    assert steps == [[name] for name in (*apply, *undo)]
    assert alike(subject) == before
    assert queues(subject) == queued
    assert filters(subject.hypervisor) == []
    feels_link(subject, up=True)
    wait_until(subject.reaches, "the network again", seconds=60)


def test_all_of_them_are_in_force_together(subject: Guest, prior: dict[str, Setting]) -> None:
    """What one lever did the others do not undo: the port is filtered, isolated and elsewhere."""
    before, mac = alike(subject), subject.spec.mac(0)
    with subject.domain() as domain:
        for name, (lever, wanted) in WANTED.items():
            lever.write(domain, mac, lever.tightened(prior[name], wanted, mac))
    port = subject.hypervisor.run("bridge", "-d", "link").stdout
    assert "master lab-a" in port
    assert "isolated on" in port
    assert "-j DROP" in subject.hypervisor.run("ebtables", "-t", "nat", "-L").stdout
    assert any("htb" in queue for queue in queues(subject))
    assert any("ingress" in queue for queue in queues(subject))
    feels_link(subject, up=False)
    with subject.domain() as domain:
        for name, (lever, _) in WANTED.items():
            lever.write(domain, mac, prior[name])
    assert alike(subject) == before
