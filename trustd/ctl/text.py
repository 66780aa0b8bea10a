"""Numbers and other people's text, as a terminal should have them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

_DURATIONS: tuple[tuple[float, float, str, int], ...] = (
    (172800, 86400, "d", 1),
    (7200, 3600, "h", 1),
    (120, 60, "min", 0),
    (10, 1, "s", 0),
    (0.1, 1, "s", 1),
    (0, 0.001, "ms", 0),
)
"""From how many seconds on a unit is used, its size, its name, its decimals."""

_STEPS = ("", "k", "M", "G", "T", "P")
_STEP = 1000.0
_BINARY_STEP = 1024.0

NOTHING = "-"
"""Stands where there is no number."""


def harmless(text: str) -> str:
    r"""Text with everything escaped that a terminal obeys or that misleads the eye.

    That is control characters, escape sequences, line breaks, and what turns the
    direction of writing or has no width.

    >>> print(harmless("web\x1b[31m\u202egnp.exe"))
    web\x1b[31m\u202egnp.exe
    >>> harmless("Zürich 東京")
    'Zürich 東京'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def exact(value: object) -> str:
    """A value for a program.

    >>> exact(0.25), exact(None)
    ('0.25', '-')
    """
    return NOTHING if value is None else str(value)


def ratio(value: float | None) -> str:
    """A trust value or its like.

    >>> ratio(0.2749), ratio(None)
    ('0.27', '-')
    """
    return NOTHING if value is None else f"{value:.2f}"


def duration(seconds: float | None) -> str:
    """How long, in the unit that one would say.

    >>> duration(0.02), duration(2.52), duration(75), duration(7260), duration(200000)
    ('20 ms', '2.5 s', '75 s', '2.0 h', '2.3 d')
    >>> duration(None)
    '-'
    """
    if seconds is None:
        return NOTHING
    seconds = max(0.0, seconds)
    size, unit, digits = next(row[1:] for row in _DURATIONS if seconds >= row[0])
    return f"{seconds / size:.{digits}f} {unit}"


def moment(at: float) -> str:
    """A time of day where the reader is, to the second."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def amount(value: float | None, unit: str) -> str:
    """A measured value with its unit.

    >>> amount(92_400_000, "bytes/s"), amount(12.5, "percent"), amount(3.25, "events/s")
    ('92.4 MB/s', '12.5 %', '3.2 /s')
    """
    if value is None:
        return NOTHING
    if unit == "percent":
        return f"{value:.1f} %"
    scaled, step = value, 0
    while abs(scaled) >= _STEP and step < len(_STEPS) - 1:
        scaled, step = scaled / _STEP, step + 1
    ending = {"bytes/s": "B/s", "events/s": "/s"}.get(unit, unit)
    return f"{scaled:.1f} {_STEPS[step]}{ending}".rstrip()


def size(value: float) -> str:
    """An amount of memory, in the powers of two in which it is given.

    >>> size(512 << 20), size(3 << 29)
    ('512.0 MiB', '1.5 GiB')
    """
    step = 0
    while value >= _BINARY_STEP and step < len(_STEPS) - 1:
        value, step = value / _BINARY_STEP, step + 1
    return f"{value:.1f} {_STEPS[step].upper()}{'i' if step else ''}B"


def setting(values: dict[str, object]) -> str:
    """A device's state in one line.

    >>> setting({"up": False, "write_bytes": 1048576})
    'up=false write_bytes=1048576'
    """
    shown = {True: "true", False: "false"}
    return " ".join(
        f"{key}={shown[value] if isinstance(value, bool) else value}"
        for key, value in sorted(values.items())
    )


def flat(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """A document as dotted names and values.

    >>> list(flat({"a": {"b": True}, "c": [1, 2]}))
    [('a.b', 'true'), ('c', '1,2')]
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for index, inner in enumerate(value):
            yield from flat(inner, f"{path}.{index}")
    elif isinstance(value, list):
        yield path, ",".join(map(str, value))
    else:
        yield path, _word(value)


def _word(value: object) -> str:
    """A JSON value as a word.

    >>> _word(0), _word(False), _word(None)
    ('0', 'false', '-')
    """
    if value is None:
        return NOTHING
    return str(value).lower() if isinstance(value, bool) else str(value)
