"""The one door to libvirt: sampling, events, inventory, control, recordings."""

from trustd.hypervisor.control import ControlConnection
from trustd.hypervisor.description import guest_of_definition
from trustd.hypervisor.door import LibvirtHypervisor
from trustd.hypervisor.leases import Leases
from trustd.hypervisor.objects import HostObjects
from trustd.hypervisor.recorder import Recorder
from trustd.hypervisor.replay import ReplayHypervisor
from trustd.hypervisor.settings import HypervisorSettings

__all__ = [
    "ControlConnection",
    "HostObjects",
    "HypervisorSettings",
    "Leases",
    "LibvirtHypervisor",
    "Recorder",
    "ReplayHypervisor",
    "guest_of_definition",
]
