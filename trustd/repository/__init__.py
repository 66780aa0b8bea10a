"""The behaviour repository: what trustd learns and does, kept on disk."""

from trustd.repository.database import Database
from trustd.repository.intents import IntentLedger
from trustd.repository.journal import Entry, Journal
from trustd.repository.memory import GuestMemory, Memory

__all__ = ["Database", "Entry", "GuestMemory", "IntentLedger", "Journal", "Memory"]
