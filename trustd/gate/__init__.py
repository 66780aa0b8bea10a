"""Disk gates: one server in front of a guest's disk, which denies reads or writes at once."""

from trustd.gate.definition import Gate, name_of
from trustd.gate.denials import NOTHING_DENIED, denied, deny
from trustd.gate.gates import Gates
from trustd.gate.keeping import Keeper, serving, unit_named, unit_of

__all__ = [
    "NOTHING_DENIED",
    "Gate",
    "Gates",
    "Keeper",
    "denied",
    "deny",
    "name_of",
    "serving",
    "unit_named",
    "unit_of",
]
