"""What a guest is made of, and the libvirt document that says so."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree as ET

MIB = 1024 * 1024
LABELS = "urn:trustd:guest:1"
IMAGES = "/var/lib/libvirt/images"

ET.register_namespace("trustd", LABELS)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of ``size`` bytes. With ``path``, one that exists already (as the inside sees it)."""

    size: int = 64 * MIB
    format: Literal["qcow2", "raw"] = "qcow2"
    path: str | None = None


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """A guest to be: ``memory`` is in bytes; ``devices`` are further libvirt device elements.

    ``balloon_driver=False`` keeps the device and leaves the guest without a driver for it;
    ``balloon=False`` leaves out both. A guest without ``channel`` takes no commands.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    memory: int = 96 * MIB
    vcpus: int = 1
    disks: tuple[Disk, ...] = (Disk(),)
    nics: int = 1
    balloon: bool = True
    balloon_driver: bool = True
    channel: bool = True
    devices: tuple[str, ...] = ()
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def directory(self) -> str:
        """Return where the guest's sockets and logs are (as the inside sees it).

        It is named by the UUID, as a name may hold anything.
        """
        return f"/run/lab/guests/{self.uuid}"

    def disk_path(self, index: int) -> str:
        """Return the file of the disk ``index``, as the inside sees it."""
        disk = self.disks[index]
        return disk.path or f"{IMAGES}/{self.uuid}-{index}.{disk.format}"

    def disk_name(self, index: int) -> str:
        """Return the disk's name in the guest and in libvirt.

        >>> GuestSpec("web", disks=(Disk(), Disk())).disk_name(1)
        'vdb'
        """
        return f"vd{chr(ord('a') + index)}"

    def mac(self, index: int) -> str:
        """Return the hardware address of the NIC ``index``: the same at every start.

        >>> GuestSpec("web", uuid="b1946ac9-2492-4d23-8476-5e7f0a9c3d11").mac(1)
        '52:54:b1:94:6a:01'
        """
        first = uuid.UUID(self.uuid).bytes
        return ":".join(f"{byte:02x}" for byte in (0x52, 0x54, *first[:3], index))


def domain_xml(spec: GuestSpec, *, kernel: str, initramfs: str, address: str) -> str:
    """Return the libvirt document of a guest that boots these files at this IP address."""
    domain = ET.Element("domain", type="qemu")
    _text(domain, "name", spec.name)
    _text(domain, "uuid", spec.uuid)
    if spec.labels:
        guest = ET.SubElement(ET.SubElement(domain, "metadata"), f"{{{LABELS}}}guest")
        for key, value in spec.labels.items():
            ET.SubElement(guest, f"{{{LABELS}}}label", key=key).text = value
    _text(domain, "memory", str(spec.memory), unit="bytes")
    _text(domain, "vcpu", str(spec.vcpus))
    boot = ET.SubElement(domain, "os")
    _text(boot, "type", "hvm", arch="x86_64", machine="q35")
    _text(boot, "kernel", kernel)
    _text(boot, "initrd", initramfs)
    skip = "" if spec.balloon_driver else " lab.skip=virtio_balloon"
    # On a busy host an emulated timer misses its ticks, which the kernel takes for a broken one.
    options = "console=ttyS0 quiet nokaslr no_timer_check"
    _text(boot, "cmdline", f"{options} lab.address={address}/24{skip}")
    features = ET.SubElement(domain, "features")
    ET.SubElement(features, "acpi")
    # The default, a gigabyte of translated code, would let thirty guests fill the machine.
    _text(ET.SubElement(features, "tcg"), "tb-cache", "32", unit="MiB")
    _text(domain, "on_crash", "preserve")
    _devices(ET.SubElement(domain, "devices"), spec)
    return ET.tostring(domain, encoding="unicode")


def _devices(devices: ET.Element, spec: GuestSpec) -> None:
    for index, disk in enumerate(spec.disks):
        element = ET.SubElement(devices, "disk", type="file", device="disk")
        ET.SubElement(element, "driver", name="qemu", type=disk.format)
        ET.SubElement(element, "source", file=spec.disk_path(index))
        ET.SubElement(element, "target", dev=spec.disk_name(index), bus="virtio")
    for index in range(spec.nics):
        element = ET.SubElement(devices, "interface", type="network")
        ET.SubElement(element, "mac", address=spec.mac(index))
        ET.SubElement(element, "source", network="default")
        ET.SubElement(element, "model", type="virtio")
        ET.SubElement(element, "rom", enabled="no")  # nothing boots from the network
    ET.SubElement(devices, "controller", type="usb", model="none")
    console = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(console, "source", path=f"{spec.directory}/serial.log")
    if spec.channel:
        element = ET.SubElement(devices, "channel", type="unix")
        ET.SubElement(element, "source", mode="bind", path=f"{spec.directory}/channel")
        ET.SubElement(element, "target", type="virtio", name="trustd.lab")
    balloon = ET.SubElement(devices, "memballoon", model="virtio" if spec.balloon else "none")
    if spec.balloon:
        ET.SubElement(balloon, "stats", period="2")
    ET.SubElement(devices, "panic", model="isa")
    for device in spec.devices:
        devices.append(ET.fromstring(device))  # noqa: S314 - written by the test itself


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text
