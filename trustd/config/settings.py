"""Everything that an administrator sets of the daemon itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from trustd.config.asking import (
    AdministrationSettings,
    DecisionSettings,
    LimitSettings,
    ListenSettings,
)
from trustd.config.keeping import (
    AuditSettings,
    EvidenceSettings,
    RetentionSettings,
    StorageSettings,
)
from trustd.config.kinds import AbsolutePath, Command, HookName
from trustd.config.telling import NotifySettings
from trustd.documents import Seconds, Strict


class OnStop(StrEnum):
    """What becomes of narrowed guests when the daemon stops."""

    KEEP = "keep"
    RESTORE = "restore"


class LogFormat(StrEnum):
    """How log lines look.

    ``auto`` is ``console`` on a terminal, ``journal`` where they would go to the journal, else
    ``json``.
    """

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"
    JOURNAL = "journal"


class HypervisorSettings(Strict):
    """How the guests are reached.

    Args:
        uri: libvirt's connection URI.
        deadline: seconds that reading all guests may take in one tick.
    """

    uri: Annotated[str, Field(min_length=1)] = "qemu:///system"
    deadline: Annotated[Seconds, Field(ge=0.1, le=60)] = 1.0


class CollectorSettings(Strict):
    """Which collectors run.

    Args:
        disabled: the names of those that do not.
    """

    disabled: tuple[str, ...] = ()


class LogSettings(Strict):
    """What is logged, and how.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """

    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    format: LogFormat = LogFormat.AUTO


class MetricsSettings(Strict):
    """What ``/metrics`` has beside trustd's own.

    Args:
        raw: the guests' raw telemetry under the names of libvirt's exporters.
        devices: with ``raw``, of each disk and interface too.
    """

    raw: bool = False
    devices: bool = False


class Settings(Strict):
    """Everything that an administrator sets of the daemon itself.

    Args:
        interval: seconds between two ticks.
        policy: the policy file.
        objects: a file of labels of objects and subjects; None for none.
        state: the directory of the behaviour repository.
        socket: the unix socket.
        on_stop: whether narrowed guests stay so when the daemon stops.
        save: seconds between two saves of what was learned; what a guest did is
            saved at once.
        hooks: commands that a policy may name, each a program and its arguments.
    """

    hypervisor: HypervisorSettings = HypervisorSettings()
    interval: Annotated[Seconds, Field(ge=0.5, le=300)] = 5.0
    policy: AbsolutePath = Path("/etc/trustd/policies/default.yaml")
    objects: AbsolutePath | None = None
    state: AbsolutePath = Path("/var/lib/trustd")
    socket: AbsolutePath = Path("/run/trustd/trustd.sock")
    listen: ListenSettings = ListenSettings()
    collectors: CollectorSettings = CollectorSettings()
    decisions: DecisionSettings = DecisionSettings()
    administration: AdministrationSettings = AdministrationSettings()
    audit: AuditSettings = AuditSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    hooks: dict[HookName, Command] = Field(default_factory=dict)
    storage: StorageSettings = StorageSettings()
    retention: RetentionSettings = RetentionSettings()
    notify: NotifySettings = NotifySettings()
    metrics: MetricsSettings = MetricsSettings()
    limits: LimitSettings = LimitSettings()
    on_stop: OnStop = OnStop.KEEP
    save: Annotated[Seconds, Field(ge=1)] = 300.0
    log: LogSettings = LogSettings()
