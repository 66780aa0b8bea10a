"""Decisions for other services: one decision point, and the dialects that they speak."""

from trustd.decisions.callers import Callers, hashed
from trustd.decisions.point import DecisionPoint
from trustd.decisions.question import ANYBODY, Asker, Question
from trustd.decisions.records import Recorder
from trustd.decisions.routes import Desk, mount
from trustd.decisions.world import World

__all__ = [
    "ANYBODY",
    "Asker",
    "Callers",
    "DecisionPoint",
    "Desk",
    "Question",
    "Recorder",
    "World",
    "hashed",
    "mount",
]
