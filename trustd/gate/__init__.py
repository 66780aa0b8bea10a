"""Disk gates: one server in front of a guest's disk, which denies reads or writes at once."""

from trustd.gate.definition import Gate
from trustd.gate.denials import NOTHING_DENIED, denied, deny
from trustd.gate.gates import Gates
from trustd.gate.keeping import Keeper, serving, unit_of

__all__ = [
    "NOTHING_DENIED",
    "Gate",
    "Gates",
    "Keeper",
    "denied",
    "deny",
    "serving",
    "unit_of",
]
