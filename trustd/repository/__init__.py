"""The behaviour repository: what trustd learns and does, kept on disk."""

from trustd.repository.changes import Changes
from trustd.repository.database import Database
from trustd.repository.intents import IntentLedger
from trustd.repository.journal import Entry, Journal
from trustd.repository.labels import Entity, LabelStore
from trustd.repository.lastgood import GoodPolicy, LastGood
from trustd.repository.memory import EngineState, GuestMemory, Memory
from trustd.repository.rulings import RulingLog, RulingRecord
from trustd.repository.walls import WallHistory

__all__ = [
    "Changes",
    "Database",
    "EngineState",
    "Entity",
    "Entry",
    "GoodPolicy",
    "GuestMemory",
    "IntentLedger",
    "Journal",
    "LabelStore",
    "LastGood",
    "Memory",
    "RulingLog",
    "RulingRecord",
    "WallHistory",
]
