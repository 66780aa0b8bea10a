"""The words of trustd: frozen values that travel one way down the line."""

from trustd.model.access import Access, Decision, EffectivePermissions, Mode, ObjectRef
from trustd.model.assessment import (
    Action,
    Assessment,
    Driver,
    Freshness,
    Intent,
    Outcome,
    OutcomeStatus,
    Place,
    Setting,
)
from trustd.model.behaviour import Behaviour, Envelope, FamilyWeight
from trustd.model.features import FeatureSpec, Gap, GapReason, Unit
from trustd.model.findings import Finding, Severity
from trustd.model.fleet import (
    Fleet,
    HostLoad,
    HypervisorCondition,
    PluginHealth,
    PolicyInfo,
)
from trustd.model.guest import (
    Disk,
    Guest,
    GuestEvent,
    GuestId,
    GuestState,
    HostDevice,
    Nic,
)
from trustd.model.opinion import Opinion
from trustd.model.rates import (
    Columns,
    GapArray,
    counter_rate,
    device_rate,
    gauge,
    is_interval,
    scaled,
    total,
    while_running,
)
from trustd.model.reading import GuestReading, Reading, StatGroup
from trustd.model.table import DeviceTable, FloatArray, ReplyTable, Stat, Stats

__all__ = [
    "Access",
    "Action",
    "Assessment",
    "Behaviour",
    "Columns",
    "Decision",
    "DeviceTable",
    "Disk",
    "Driver",
    "EffectivePermissions",
    "Envelope",
    "FamilyWeight",
    "FeatureSpec",
    "Finding",
    "Fleet",
    "FloatArray",
    "Freshness",
    "Gap",
    "GapArray",
    "GapReason",
    "Guest",
    "GuestEvent",
    "GuestId",
    "GuestReading",
    "GuestState",
    "HostDevice",
    "HostLoad",
    "HypervisorCondition",
    "Intent",
    "Mode",
    "Nic",
    "ObjectRef",
    "Opinion",
    "Outcome",
    "OutcomeStatus",
    "Place",
    "PluginHealth",
    "PolicyInfo",
    "Reading",
    "ReplyTable",
    "Setting",
    "Severity",
    "Stat",
    "StatGroup",
    "Stats",
    "Unit",
    "counter_rate",
    "device_rate",
    "gauge",
    "is_interval",
    "scaled",
    "total",
    "while_running",
]
