"""What libvirt's XML says of a guest is read whole, and nothing in it can do harm."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustd.hypervisor.description import guest_from_xml
from trustd.model import Disk, Guest, GuestId, GuestState, HostDevice, Nic

ID = GuestId("11111111-2222-3333-4444-555555555555")


def described(inner: str, state: GuestState = GuestState.RUNNING) -> Guest:
    return guest_from_xml(ID, "name", state, f"<domain>{inner}</domain>")


def disk_of(element: str) -> Disk:
    (disk,) = described(f"<devices>{element}</devices>").disks
    return disk


def nic_of(element: str, state: GuestState = GuestState.RUNNING) -> Nic:
    (nic,) = described(f"<devices>{element}</devices>", state).nics
    return nic


def host_device_of(element: str) -> HostDevice:
    (device,) = described(f"<devices>{element}</devices>").host_devices
    return device


@pytest.mark.parametrize(
    ("attributes", "source", "identity"),
    [
        ("type='file'", "<source file='/a/b.qcow2' index='1'/>", "/a/b.qcow2"),
        ("type='block'", "<source dev='/dev/vg/lv'/>", "/dev/vg/lv"),
        ("type='dir'", "<source dir='/a'/>", "/a"),
        ("type='volume'", "<source pool='p' volume='v'/>", "volume:p/v"),
        (
            "type='network'",
            "<source protocol='nbd'><host transport='unix' socket='/run/x'/></source>",
            "nbd:///run/x/",
        ),
        (
            "type='network'",
            (
                "<source protocol='rbd' name='pool/image'>"
                "<host name='b' port='6789'/><host name='a' port='6789'/></source>"
            ),
            "rbd://a:6789,b:6789/pool/image",
        ),
        (
            "type='nvme'",
            (
                "<source type='pci' managed='yes' namespace='1'>"
                "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>"
            ),
            "nvme:0000:01:00.0/1",
        ),
        ("type='vhostuser'", "<source type='unix' path='/s'/>", "vhostuser:/s"),
        ("type='file' device='cdrom'", "", ""),
        ("type='network'", "", ""),
        ("type='unheard-of'", "<source wonder='x'/>", ""),
    ],
)
def test_a_disks_identity_is_what_lies_behind_it(attributes, source, identity):
    """Path, volume or export; a drive without a medium has none."""
    disk = disk_of(f"<disk {attributes}>{source}<target dev='vda'/></disk>")
    assert disk.identity == identity
    assert disk.target == "vda"


def test_the_order_of_an_exports_hosts_does_not_matter():
    """Monitors may be listed in any order: it is the same image."""
    one, other = (
        disk_of(
            "<disk type='network'><source protocol='rbd' name='i'>"
            + "".join(f"<host name='{host}'/>" for host in hosts)
            + "</source></disk>"
        )
        for hosts in ("abc", "cab")
    )
    assert one == other


def test_readonly_kind_and_alias_of_a_disk():
    """What tells disks apart beside their identity."""
    disk = disk_of("<disk type='file' device='cdrom'><readonly/><alias name='ua-x'/></disk>")
    assert disk == Disk(target="", identity="", kind="cdrom", readonly=True, alias="ua-x")


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        (
            (
                "<interface type='network'><mac address='52:54:00:AB:CD:EF'/>"
                "<source network='n' portid='p' bridge='br'/><target dev='vnet3'/></interface>"
            ),
            Nic("52:54:00:ab:cd:ef", "n", "vnet3", bridge="br"),
        ),
        (
            (
                "<interface type='bridge'><source bridge='br0'/><target dev='tap'/>"
                "<link state='down'/><alias name='net0'/></interface>"
            ),
            Nic("", "br0", "tap", link=False, alias="net0", bridge="br0"),
        ),
        (
            "<interface type='direct'><source dev='eth0' mode='vepa'/></interface>",
            Nic("", "eth0", filterable=False),
        ),
        ("<interface type='user'/>", Nic("", "user", filterable=False)),
        (
            (
                "<interface type='bridge'><source bridge='ovs'/>"
                "<virtualport type='openvswitch'/></interface>"
            ),
            Nic("", "ovs", filterable=False, bridge="ovs"),
        ),
        (
            (
                "<interface type='hostdev'><mac address='02:00:00:00:00:01'/><source><address "
                "type='pci' domain='0x0000' bus='0x3b' slot='0x10' function='0x2'/></source>"
                "<target dev='ignored'/></interface>"
            ),
            Nic("02:00:00:00:00:01", "pci:0000:3b:10.2", filterable=False),
        ),
    ],
)
def test_an_interface_says_what_it_is_attached_to(element, expected):
    """Network, bridge or device; a passed-through one has no tap."""
    found = nic_of(element)
    assert found == expected
    assert found.bridge == expected.bridge


def test_a_guest_that_is_off_has_no_tap():
    """A tap that the definition names does not exist while the guest is off."""
    element = "<interface type='bridge'><source bridge='b'/><target dev='t'/></interface>"
    assert nic_of(element, GuestState.SHUTOFF).tap == ""
    assert nic_of(element, GuestState.PAUSED).tap == "t"


@pytest.mark.parametrize(
    ("element", "identity"),
    [
        (
            (
                "<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x03' "
                "slot='0x00' function='0x0'/></source></hostdev>"
            ),
            "pci:0000:03:00.0",
        ),
        (
            (
                "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/>"
                "<product id='0xbeef'/><address bus='1' device='7'/></source></hostdev>"
            ),
            "usb:0x1234:0xbeef",
        ),
        (
            (
                "<hostdev mode='subsystem' type='usb'><source>"
                "<address bus='1' device='7'/></source></hostdev>"
            ),
            "usb:1-7",
        ),
        (
            "<hostdev mode='subsystem' type='mdev'><source><address uuid='c2'/></source></hostdev>",
            "mdev:c2",
        ),
        (
            (
                "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/>"
                "<address bus='0' target='1' unit='2'/></source></hostdev>"
            ),
            "scsi:scsi_host0:0:1:2",
        ),
        (
            (
                "<hostdev mode='capabilities' type='storage'><source>"
                "<block>/dev/sdf1</block></source></hostdev>"
            ),
            "storage:/dev/sdf1",
        ),
        ("<hostdev mode='subsystem' type='pci'/>", ""),
        (
            (
                "<interface type='hostdev'><source><address type='pci' domain='0x0000' bus='0x3b' "
                "slot='0x10' function='0x2'/></source></interface>"
            ),
            "pci:0000:3b:10.2",
        ),
    ],
)
def test_a_host_device_is_known_by_its_address(element, identity):
    """The kernel's own name of the device, whatever libvirt calls it."""
    assert host_device_of(element).identity == identity


def test_processors_memory_and_balloon():
    """Units are honoured, the present number of processors counts."""
    guest = described(
        "<vcpu current='2'>8</vcpu><memory unit='MiB'>512</memory>"
        "<devices><memballoon model='virtio'><stats period='5'/></memballoon></devices>"
    )
    assert (guest.vcpus, guest.memory, guest.balloon_period) == (2, 512 * 1024**2, 5)
    assert described("<memory unit='KB'>3</memory>").memory == 3000
    assert described("<memory>3</memory>").memory == 3 * 1024
    assert described("").vcpus == 1


def test_only_the_projects_own_namespace_labels_a_guest():
    """A label element of another namespace, or outside the guest element, is none."""
    ours, other = "urn:trustd:guest:1", "urn:trustd:guest:2"
    guest = described(
        f"<metadata><g:guest xmlns:g='{ours}'><g:label key='a'> 1 </g:label>"
        f"<label key='b'>2</label><g:label>3</g:label></g:guest>"
        f"<o:guest xmlns:o='{other}'><o:label key='c'>4</o:label></o:guest>"
        f"<g:label xmlns:g='{ours}' key='d'>5</g:label></metadata>"
    )
    assert guest.labels == {"a": "1"}


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<domain>",
        "<!DOCTYPE d [<!ENTITY a '1'><!ENTITY b '&a;&a;'>]><domain><vcpu>&b;</vcpu></domain>",
        "<!DOCTYPE d [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><domain><vcpu>&f;</vcpu></domain>",
        "<domain>" + " " * (4 * 1024 * 1024) + "</domain>",
        "<domain>\x00</domain>",
    ],
    ids=["empty", "open", "bomb", "file", "huge", "nul"],
)
def test_a_description_that_cannot_be_read_leaves_the_guest_known(xml):
    """Broken, dangerous or oversized text costs the guest its devices, nothing else."""
    assert guest_from_xml(ID, "n", GuestState.RUNNING, xml) == Guest(ID, "n", GuestState.RUNNING)


def test_the_number_of_devices_is_bounded():
    """A definition of endless devices is cut."""
    assert len(described("<devices>" + "<disk/>" * 5000 + "</devices>").disks) == 1024


printable = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=40
)


@given(key=printable, value=printable)
def test_any_text_survives_as_it_is(key, value):
    """What libvirt escaped is what we hold, character by character, trimmed at the ends."""
    quoted = escape(key, {"'": "&apos;"})
    guest = described(
        f"<metadata><g:guest xmlns:g='urn:trustd:guest:1'><g:label key='{quoted}'>{escape(value)}"
        "</g:label></g:guest></metadata>"
    )
    assert guest.labels == ({key: value.strip()} if key else {})


@given(st.text(max_size=300))
def test_no_text_makes_it_raise(text):
    """Whatever is in the text, the guest comes out, with its own name and identity."""
    for xml in (text, f"<domain><vcpu>{text}</vcpu></domain>", f"<domain {text}/>"):
        guest = guest_from_xml(ID, "n", GuestState.RUNNING, xml)
        assert (guest.id, guest.name) == (ID, "n")
        assert guest.vcpus >= 1


def test_what_only_one_guest_may_write_to_is_told():
    """A disk that is shared, and what a disk is an overlay of, nearest first."""
    layer = "<backingStore type='file'><source file='/{}'/>{}</backingStore>"
    chain = layer.format("a", layer.format("b", "<backingStore/>"))
    (disk,) = described(
        f"<devices><disk type='file'><source file='/top'/><shareable/>{chain}</disk></devices>"
    ).disks
    assert disk.shared
    assert disk.backing == ("/a", "/b")
    (plain,) = described("<devices><disk type='file'><source file='/top'/></disk></devices>").disks
    assert (plain.shared, plain.backing) == (False, ())


def test_a_chain_of_images_is_bounded():
    """However deep somebody stacks images, reading ends."""
    chain = "<backingStore type='file'><source file='/x'/>" * 500 + "</backingStore>" * 500
    (disk,) = described(f"<devices><disk type='file'>{chain}</disk></devices>").disks
    assert len(disk.backing) == 64


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("<backend type='passthrough'><device path='/dev/tpm0'/></backend>", "/dev/tpm0"),
        ("<backend type='emulator'><source type='dir' path='/tpm/a'/></backend>", "/tpm/a"),
        ("<backend type='emulator' version='2.0'/>", ""),
        ("", ""),
    ],
)
def test_where_firmware_and_tpm_are_kept(backend, expected):
    """The paths of the firmware's variables and of a TPM's state, where the definition has them."""
    guest = described(
        f"<os><nvram> /nvram/a.fd </nvram></os><devices><tpm>{backend}</tpm></devices>"
    )
    assert guest.firmware == "/nvram/a.fd"
    assert guest.tpm == expected
    assert described("").firmware == ""
