"""The behaviour repository: what trustd learns and does, kept on disk."""

from trustd.repository.aliases import Alias, Aliases, Holding, Kin
from trustd.repository.anchors import Signer, genuine
from trustd.repository.audit import Audit, Filter, Head
from trustd.repository.changes import Changes
from trustd.repository.chunk import Block, Chunk, Layout, chunks_of
from trustd.repository.database import Database
from trustd.repository.errands import Entered, ErrandStore
from trustd.repository.incidents import IncidentStore
from trustd.repository.intents import IntentLedger
from trustd.repository.journal import Entry, Journal
from trustd.repository.labels import Entity, LabelStore
from trustd.repository.lastgood import GoodPolicy, LastGood
from trustd.repository.memory import EngineState, GuestMemory, Memory
from trustd.repository.notices import NoticeStore
from trustd.repository.overrides import OrderStore, Place
from trustd.repository.past import OBJECT, RUN, SEEN, Past
from trustd.repository.points import Points, Values
from trustd.repository.reports import Message, Report, ReportState, ReportStore
from trustd.repository.rulings import RulingLog, RulingRecord
from trustd.repository.testimony import Said, SaidStore, Wanted
from trustd.repository.timeline import Asked, Held, Timelines, TrustLine
from trustd.repository.versions import PolicyVersion, PolicyVersions
from trustd.repository.walls import WallHistory

__all__ = [
    "OBJECT",
    "RUN",
    "SEEN",
    "Alias",
    "Aliases",
    "Asked",
    "Audit",
    "Block",
    "Changes",
    "Chunk",
    "Database",
    "EngineState",
    "Entered",
    "Entity",
    "Entry",
    "ErrandStore",
    "Filter",
    "GoodPolicy",
    "GuestMemory",
    "Head",
    "Held",
    "Holding",
    "IncidentStore",
    "IntentLedger",
    "Journal",
    "Kin",
    "LabelStore",
    "LastGood",
    "Layout",
    "Memory",
    "Message",
    "NoticeStore",
    "OrderStore",
    "Past",
    "Place",
    "Points",
    "PolicyVersion",
    "PolicyVersions",
    "Report",
    "ReportState",
    "ReportStore",
    "RulingLog",
    "RulingRecord",
    "Said",
    "SaidStore",
    "Signer",
    "Timelines",
    "TrustLine",
    "Values",
    "WallHistory",
    "Wanted",
    "chunks_of",
    "genuine",
]
