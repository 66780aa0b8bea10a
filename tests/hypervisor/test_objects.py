"""The volumes and networks of a real host, under every name that they have."""

from __future__ import annotations

import pytest

from tests.lab.waiting import wait_until
from trustd.hypervisor import HostObjects, HypervisorSettings
from trustd.model import Disk, Guest, GuestId, Nic, ObjectRef
from trustd.pipeline import Registry, objects_of
from trustd.policy import load_policy
from trustd.policy.schema import RegistryDocument

pytestmark = pytest.mark.lab

POOL = (
    "<pool type='dir'><name>images</name><target><path>/var/lib/trustd-pool</path></target></pool>"
)
VOLUME = """<volume><name>{}</name><capacity>1048576</capacity></volume>"""
PATH = "/var/lib/trustd-pool/data.raw"
NETWORK = """<network><name>{}</name><uuid>{}</uuid><bridge name='vbr7'/></network>"""
UUID = "5f3c1a52-77d0-4d51-b0d8-8ac1de1e2f07"


@pytest.fixture
def pool(hypervisor):
    """A pool of the host with one volume."""
    hypervisor.path("/var/lib/trustd-pool").mkdir(exist_ok=True)
    with hypervisor.connection() as connection:
        made = connection.storagePoolCreateXML(POOL)
        try:
            volume = made.createXML(VOLUME.format("data.raw"))
            yield "images"
            volume.delete()
        finally:
            made.destroy()


@pytest.fixture
def objects(hypervisor):
    found = HostObjects(HypervisorSettings(uri=hypervisor.uri_readonly))
    found.start()
    yield found
    found.close()


def soon(condition, what):
    wait_until(condition, what, seconds=90)


def by_name(objects, kind, name):
    return next(
        (
            each
            for each in objects.known
            if each.ref.type == kind and name in (each.ref.id, *each.names)
        ),
        None,
    )


def test_volumes_and_networks_are_known_by_all_their_names(hypervisor, pool, objects):
    """A volume by its key, its path and its place in the pool; a network by UUID, name and bridge;
    each is known without anybody asking for it anew."""
    soon(lambda: by_name(objects, "volume", "images/data.raw"), "the volume is known")
    volume = by_name(objects, "volume", "images/data.raw")
    assert volume.ref == ObjectRef("volume", PATH)
    assert set(volume.names) == {"volume:images/data.raw", "images/data.raw"}
    with hypervisor.connection() as connection:
        uuid = connection.networkLookupByName("default").UUIDString()
        bridge = connection.networkLookupByName("default").bridgeName()
    network = by_name(objects, "network", "default")
    assert network.ref == ObjectRef("network", uuid)
    assert network.names == ("default", bridge)
    assert objects.trouble == ""


def test_a_network_keeps_its_labels_when_it_is_renamed(hypervisor, objects):
    """Labels given to the UUID hold under the old name and under the new one, as soon as the host
    tells of it; those of the name stay with the name."""
    document = RegistryDocument.model_validate(
        {
            "apiVersion": "trustd/v1",
            "objects": [{"type": "network", "id": UUID, "labels": {"zone": "front"}}],
        }
    )
    policy = load_policy(POLICY, "policy.yaml")

    def labels(name):
        registry = Registry.of(policy, document, {}, objects.known)
        return dict(registry.object(ObjectRef("network", name)))

    with hypervisor.connection() as connection:
        defined = connection.networkDefineXML(NETWORK.format("before", UUID))
        try:
            soon(lambda: labels("before") == {"zone": "front"}, "the name is known")
        finally:
            defined.undefine()
        defined = connection.networkDefineXML(NETWORK.format("after", UUID))
        try:
            soon(lambda: labels("after") == {"zone": "front"}, "the new name is known")
            assert labels("before") == {}
            assert labels("vbr7") == {"zone": "front"}
        finally:
            defined.undefine()


POLICY = """\
apiVersion: trustd/v1
name: names
mode: enforce
subjects: [{roles: [any]}]
objects:
  data: {type: volume, select: {tier: gold}}
  named: {type: volume, id: images/data.raw}
  front: {type: network, id: default}
roles:
  any:
    permits:
      - {actions: [read], object: data}
      - {actions: [write], object: named}
      - {actions: [connect], object: front}
trust: {bands: [{name: trusted, enter: 0.5, leave: 0.4}, {name: isolated, cap: []}]}
"""


@pytest.mark.parametrize("labelled", [PATH, "images/data.raw", "volume:images/data.raw"])
def test_any_name_in_a_document_meets_any_form_in_a_definition(hypervisor, pool, objects, labelled):
    """Whether a guest's definition names a disk by its path or by its pool, and a network by its
    name or its bridge, and whichever name the policy and the labels use: it is the same object."""
    soon(lambda: by_name(objects, "volume", "images/data.raw"), "the volume is known")
    document = RegistryDocument.model_validate(
        {
            "apiVersion": "trustd/v1",
            "objects": [{"type": "volume", "id": labelled, "labels": {"tier": "gold"}}],
        }
    )
    policy = load_policy(POLICY, "policy.yaml")
    registry = Registry.of(policy, document, {}, objects.known)
    bridge = by_name(objects, "network", "default").names[1]
    for disk in (PATH, "volume:images/data.raw"):
        for network in ("default", bridge):
            guest = Guest(
                GuestId("x"), "x", disks=(Disk("vda", disk),), nics=(Nic("52:54:00", network),)
            )
            sets = [registry.target(policy, ref).sets for ref in objects_of(guest)]
            assert sets == [
                policy.objects.bits["data"] | policy.objects.bits["named"],
                policy.objects.bits["front"],
            ]
    other = registry.target(policy, ObjectRef("volume", "/elsewhere/data.raw"))
    assert other.sets == 0


def test_a_host_that_does_not_answer_costs_nothing_but_its_news(hypervisor, objects):
    """While libvirt is away what was known stays, and that is said; afterwards it goes on."""
    soon(lambda: by_name(objects, "network", "default"), "the network is known")
    before = objects.known
    hypervisor.stop_libvirtd()
    try:
        soon(lambda: objects.trouble, "the trouble is said")
        assert objects.known == before
    finally:
        hypervisor.start_libvirtd()
    soon(lambda: not objects.trouble, "it is known again")
