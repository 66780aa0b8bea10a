"""The daemon's settings: one YAML file, and the environment over it."""

from trustd.config.asking import (
    AdministrationSettings,
    CallerSettings,
    DecisionSettings,
    Dialect,
    Record,
)
from trustd.config.keeping import (
    AuditSettings,
)
from trustd.config.load import NOT_SETTINGS, PREFIX, load_settings
from trustd.config.settings import (
    HypervisorSettings,
    LogFormat,
    LogSettings,
    OnStop,
    Settings,
)
from trustd.config.telling import NotifySettings, ReceiverKind, ReceiverSettings

__all__ = [
    "NOT_SETTINGS",
    "PREFIX",
    "AdministrationSettings",
    "AuditSettings",
    "CallerSettings",
    "DecisionSettings",
    "Dialect",
    "HypervisorSettings",
    "LogFormat",
    "LogSettings",
    "NotifySettings",
    "OnStop",
    "ReceiverKind",
    "ReceiverSettings",
    "Record",
    "Settings",
    "load_settings",
]
