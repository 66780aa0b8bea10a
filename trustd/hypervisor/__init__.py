"""The one door to libvirt: sampling, events, inventory, control, recordings."""

from trustd.hypervisor.control import ControlConnection
from trustd.hypervisor.door import LibvirtHypervisor
from trustd.hypervisor.recorder import Recorder
from trustd.hypervisor.replay import ReplayHypervisor
from trustd.hypervisor.settings import HypervisorSettings

__all__ = [
    "ControlConnection",
    "HypervisorSettings",
    "LibvirtHypervisor",
    "Recorder",
    "ReplayHypervisor",
]
