"""Quantities with units, as pydantic types: durations, sizes, rates, instants.

A bare number is in the type's own unit, so that a value that was dumped can be
read again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d|w))+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)")
_PREFIXES = {
    "": 1,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_AMOUNT = r"([0-9]+(?:\.[0-9]+)?)\s?([kKMGT]i?|)"
_SIZE = re.compile(_AMOUNT + "B?")
_RATE = re.compile(_AMOUNT + "B?/(s|m|h|d)")
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s?%")
_LONGEST = 40


def _number(value: object) -> float | None:
    """A bare number that is finite and not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _quantity(read: Callable[[str], float | None], example: str) -> Callable[[object], float]:
    """A validator: text by ``read``, or a bare number."""

    def validate(value: object) -> float:
        number = _number(value)
        if number is None and isinstance(value, str) and len(value) <= _LONGEST:
            number = read(value.strip())
        if number is None or not math.isfinite(number):
            shown = repr(value) if isinstance(value, str | int | float) else type(value).__name__
            raise ValueError(f"{shown[:_LONGEST]} is not understood; write it like {example}")
        return number

    return validate


def parse_seconds(text: str) -> float | None:
    """A duration in seconds.

    >>> parse_seconds("1h30m"), parse_seconds("500ms"), parse_seconds("5 apples")
    (5400.0, 0.5, None)
    """
    if not _DURATION.fullmatch(text):
        return None
    parts = _DURATION_PART.findall(text)
    return math.fsum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def parse_bytes(text: str) -> float | None:
    """A size in bytes; ``k`` is 1,000 and ``Ki`` is 1,024.

    >>> parse_bytes("4MiB"), parse_bytes("10k")
    (4194304.0, 10000.0)
    """
    found = _SIZE.fullmatch(text)
    return float(found[1]) * _PREFIXES[found[2]] if found else None


def parse_rate(text: str) -> float | None:
    """A rate in counts (or bytes) a second.

    >>> parse_rate("50k/s"), parse_rate("50MiB/s"), parse_rate("6/m")
    (50000.0, 52428800.0, 0.1)
    """
    found = _RATE.fullmatch(text)
    if not found:
        return None
    return float(found[1]) * _PREFIXES[found[2]] / _DURATION_UNITS[found[3]]


def parse_hourly(text: str) -> float | None:
    """A rate in counts an hour.

    >>> parse_hourly("0.05/h"), parse_hourly("1.2/d")
    (0.05, 0.05)
    """
    rate = parse_rate(text)
    return None if rate is None else round(rate * _DURATION_UNITS["h"], 12)


def parse_percent(text: str) -> float | None:
    """A percentage, as the number before the sign.

    >>> parse_percent("90%")
    90.0
    """
    found = _PERCENT.fullmatch(text)
    return float(found[1]) if found else None


def parse_level(text: str) -> float | None:
    """A rate a second, a size or a percentage: a bound for any feature.

    >>> parse_level("50MiB/s"), parse_level("90%"), parse_level("2k")
    (52428800.0, 90.0, 2000.0)
    """
    for read in (parse_rate, parse_percent, parse_bytes):
        level = read(text)
        if level is not None:
            return level
    return None


def parse_instant(text: str) -> float | None:
    """A moment in ISO 8601 with its zone, as epoch seconds.

    >>> parse_instant("2026-12-01T00:00:00Z"), parse_instant("2026-12-01T00:00:00")
    (1796083200.0, None)
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _text(pattern: str) -> object:
    """The type of the text in a JSON Schema, beside a bare number."""
    return Annotated[str, Field(pattern=f"^{pattern}$")] | Annotated[float, Field(ge=0)]


Seconds = Annotated[
    float,
    BeforeValidator(
        _quantity(parse_seconds, "30s, 5m, 24h or 7d"),
        json_schema_input_type=_text(_DURATION.pattern),
    ),
]
"""A duration such as ``30s``, ``5m``, ``24h``, ``7d``; a bare number is seconds."""

Bytes = Annotated[
    float,
    BeforeValidator(
        _quantity(parse_bytes, "512KiB, 50MiB or 2G"),
        json_schema_input_type=_text(_SIZE.pattern),
    ),
]
"""A size such as ``50MiB``; a bare number is bytes."""

PerSecond = Annotated[
    float,
    BeforeValidator(
        _quantity(parse_rate, "200/s, 50k/s or 50MiB/s"),
        json_schema_input_type=_text(_RATE.pattern),
    ),
]
"""A rate such as ``50k/s`` or ``50MiB/s``; a bare number is counts a second."""

PerHour = Annotated[
    float,
    BeforeValidator(_quantity(parse_hourly, "0.05/h"), json_schema_input_type=_text(_RATE.pattern)),
]
"""A rate such as ``0.05/h``; a bare number is counts an hour."""

Percent = Annotated[
    float,
    BeforeValidator(
        _quantity(parse_percent, "90%"), json_schema_input_type=_text(_PERCENT.pattern)
    ),
]
"""A percentage such as ``90%``; a bare number is percent."""

Level = Annotated[
    float,
    BeforeValidator(
        _quantity(parse_level, "50k/s, 50MiB/s or 90%"),
        json_schema_input_type=_text(f"({_RATE.pattern}|{_PERCENT.pattern}|{_SIZE.pattern})"),
    ),
]
"""A bound for a feature in its unit: a rate, a percentage, or a bare number."""

Instant = Annotated[
    float,
    BeforeValidator(
        _quantity(parse_instant, "2026-12-01T00:00:00Z, with its zone"),
        json_schema_input_type=Annotated[str, Field(json_schema_extra={"format": "date-time"})]
        | Annotated[float, Field(ge=0)],
    ),
]
"""A moment in ISO 8601 with its zone; a bare number is epoch seconds."""

Ratio = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""
