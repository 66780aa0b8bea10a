"""Enforcement: what a guest lost is made untrue on its devices, and given back exactly."""

from trustd.enforce.actuators import standard_actuators
from trustd.enforce.escalate import refuses
from trustd.enforce.plan import plan
from trustd.enforce.reconcile import Enforcer
from trustd.enforce.settings import EnforceSettings
from trustd.enforce.settled import Desired
from trustd.enforce.translate import lever_of
from trustd.enforce.undo import Ledger

__all__ = [
    "Desired",
    "EnforceSettings",
    "Enforcer",
    "Ledger",
    "lever_of",
    "plan",
    "refuses",
    "standard_actuators",
]
