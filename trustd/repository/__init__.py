"""The behaviour repository: what trustd learns and does, kept on disk."""

from trustd.repository.anchors import Signer, genuine
from trustd.repository.audit import Audit, Filter, Head
from trustd.repository.changes import Changes
from trustd.repository.database import Database
from trustd.repository.intents import IntentLedger
from trustd.repository.journal import Entry, Journal
from trustd.repository.labels import Entity, LabelStore
from trustd.repository.lastgood import GoodPolicy, LastGood
from trustd.repository.memory import EngineState, GuestMemory, Memory
from trustd.repository.past import OBJECT, RUN, SEEN, Past
from trustd.repository.rulings import RulingLog, RulingRecord
from trustd.repository.versions import PolicyVersion, PolicyVersions
from trustd.repository.walls import WallHistory

__all__ = [
    "OBJECT",
    "RUN",
    "SEEN",
    "Audit",
    "Changes",
    "Database",
    "EngineState",
    "Entity",
    "Entry",
    "Filter",
    "GoodPolicy",
    "GuestMemory",
    "Head",
    "IntentLedger",
    "Journal",
    "LabelStore",
    "LastGood",
    "Memory",
    "Past",
    "PolicyVersion",
    "PolicyVersions",
    "RulingLog",
    "RulingRecord",
    "Signer",
    "WallHistory",
    "genuine",
]
