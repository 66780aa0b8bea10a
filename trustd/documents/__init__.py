"""Strict YAML documents: read, checked against a model, every mistake at its place."""

from trustd.documents.document import (
    Document,
    Keys,
    Strict,
    did_you_mean,
    dotted,
    nearest_or_all,
)
from trustd.documents.scalars import (
    Bytes,
    Instant,
    Level,
    Percent,
    PerHour,
    PerSecond,
    Ratio,
    Seconds,
)
from trustd.documents.validation import Refer, load, validate

__all__ = [
    "Bytes",
    "Document",
    "Instant",
    "Keys",
    "Level",
    "PerHour",
    "PerSecond",
    "Percent",
    "Ratio",
    "Refer",
    "Seconds",
    "Strict",
    "did_you_mean",
    "dotted",
    "load",
    "nearest_or_all",
    "validate",
]
