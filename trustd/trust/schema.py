"""Everything that is remembered of a guest: the columns of every part, in one table."""

from __future__ import annotations

from trustd.trust import baseline, conduct, evidence, learned, rarity, record, standing, windows
from trustd.trust.columns import Column
from trustd.trust.settings import Settings


def schema(settings: Settings) -> dict[str, Column]:
    """The columns by name; how many paces there are is the settings' word."""
    paces = len(settings.paces)
    return {
        **windows.COLUMNS,
        **baseline.COLUMNS,
        **rarity.COLUMNS,
        **evidence.columns(paces),
        **record.columns(paces),
        **learned.COLUMNS,
        **conduct.COLUMNS,
        **standing.COLUMNS,
    }
