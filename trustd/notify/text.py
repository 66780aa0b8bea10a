"""The words of a notice, fit for every receiver: bounded, on one line, without tricks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from trustd.model import Affected, Notice

_LINE = 200
_PARAGRAPH = 2000
_MANY = 50


def plain(text: str, most: int) -> str:
    r"""Text in which control and direction characters are shown by their escapes.

    Markup stays what it is: a receiver that shows text as markup is told so.

    >>> print(plain("web\x1b[2J\n\u202egnp", 50))
    web\x1b[2J\n\u202egnp
    >>> plain("a" * 9, 4)
    'aaa…'
    """
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def cleaned(notice: Notice) -> Notice:
    """The notice with every text that others chose made plain and bounded."""
    return replace(
        notice,
        key=plain(notice.key, _LINE),
        title=plain(notice.title, _LINE),
        problem=plain(notice.problem, _PARAGRAPH),
        guests=tuple(
            Affected(each.guest, plain(each.name, _LINE)) for each in notice.guests[:_MANY]
        ),
        objects=tuple(plain(each, _LINE) for each in notice.objects[:_MANY]),
        recommended=tuple(plain(each, _PARAGRAPH) for each in notice.recommended[:_MANY]),
        labels={plain(name, _LINE): plain(text, _LINE) for name, text in notice.labels.items()},
    )


def moment(at: float) -> str:
    """RFC 3339 with milliseconds, in UTC.

    >>> moment(1790000000.25)
    '2026-09-21T14:13:20.250Z'
    """
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def document(notice: Notice) -> dict[str, Any]:
    """The notice as values that JSON knows; ``ends`` is null while it lasts."""
    return {
        "key": notice.key,
        "state": "ended" if notice.ended else "begun",
        "severity": str(notice.severity),
        "title": notice.title,
        "problem": notice.problem,
        "mode": str(notice.mode),
        "starts": moment(notice.starts),
        "ends": moment(notice.ends) if notice.ended else None,
        "guests": [{"id": each.guest, "name": each.name} for each in notice.guests],
        "objects": list(notice.objects),
        "recommended": list(notice.recommended),
        "labels": dict(notice.labels),
    }
