"""Recorded history through another policy: whom it would have narrowed, when, why, how long."""

from trustd.pipeline.backtest.course import Backtest
from trustd.pipeline.backtest.report import Report, Resolution
from trustd.pipeline.backtest.stretches import Book, Change, Difference, State, Stretch

__all__ = ["Backtest", "Book", "Change", "Difference", "Report", "Resolution", "State", "Stretch"]
