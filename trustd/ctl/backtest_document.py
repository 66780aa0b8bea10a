"""What a backtest found, as programs have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trustd.ctl.connection import Document

if TYPE_CHECKING:
    from trustd.pipeline.backtest import Book, Difference, Report, Stretch
    from trustd.policy import Policy


def document_of(
    report: Report, policy: Policy, path: Path, wanted: frozenset[str] | None = None
) -> Document:
    """A report as programs have it.

    Args:
        path: of the policy.
        wanted: UUIDs of the guests that are asked for; None for all.
    """
    books = {
        id_: book for id_, book in report.books.items() if wanted is None or str(id_) in wanted
    }
    every = [
        _guest(str(id_), report.names.get(id_, str(id_)), book)
        for id_, book in books.items()
        if book.now.stretches or book.was.stretches
    ]
    every.sort(key=lambda each: (-each["more"], -each["would"]["seconds"], each["name"]))
    return {
        "since": report.since,
        "until": report.until,
        "policy": {"name": policy.name, "id": policy.id, "path": str(path)},
        "bands": list(policy.bands),
        "seen": len(books),
        "resolutions": [
            {"seconds": each.width, "since": each.begin, "until": each.end}
            for each in report.resolutions
        ],
        "scores": "recorded",
        "scored_otherwise": sorted(map(str, report.otherwise & books.keys())),
        "devices_assumed": sorted(map(str, report.assumed & books.keys())),
        "untold": sorted(map(str, report.untold)),
        "damaged": sorted(map(str, report.damaged)),
        "policies_lost": sorted(report.lost),
        "more": any(each["more"] for each in every),
        "less": any(each["less"] for each in every),
        "guests": every,
    }


def _guest(id_: str, name: str, book: Book) -> Document:
    changes = {sign: [each for each in book.differences if each.change == sign] for sign in (1, -1)}
    return {
        "guest": id_,
        "name": name,
        "would": _total(book.now.stretches),
        "happened": _total(book.was.stretches),
        "more": sum(each.seconds for each in changes[1]),
        "less": sum(each.seconds for each in changes[-1]),
        "edges": book.edges,
        "stretches": [_stretch(each, book.differences) for each in book.now.stretches],
        "happened_stretches": [_stretch(each, ()) for each in book.was.stretches],
        "differences": [
            {
                "change": each.change.name.lower(),
                "begin": each.begin,
                "end": each.end,
                "seconds": each.seconds,
                "was": [each.was.state.name.lower(), each.was.band],
                "would": [each.now.state.name.lower(), each.now.band],
            }
            for each in book.differences
        ],
    }


def _total(stretches: Sequence[Stretch]) -> Document:
    worst = max(stretches, key=lambda each: each.rank, default=None)
    return {
        "times": len(stretches),
        "seconds": sum(each.total for each in stretches),
        "by_state": _states(stretches),
        "first": stretches[0].begin if stretches else None,
        "last": stretches[-1].end if stretches else None,
        "band": None if worst is None else worst.band,
        "levers": sorted({lever for each in stretches for lever in each.levers}),
        "lost": sorted({action for each in stretches for action in each.lost}),
        "once": sorted({errand for each in stretches for errand in each.once}),
        "because": None if worst is None else _because(worst),
    }


def _states(stretches: Iterable[Stretch]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in stretches:
        for state, seconds in each.seconds.items():
            found[state.name.lower()] = found.get(state.name.lower(), 0.0) + seconds
    return found


def _stretch(stretch: Stretch, differences: Sequence[Difference]) -> Document:
    beside = [each for each in differences if each.begin < stretch.end and stretch.begin < each.end]
    worst = max(beside, key=lambda each: each.change, default=None)
    return {
        "begin": stretch.begin,
        "end": stretch.end,
        "seconds": stretch.total,
        "by_state": _states((stretch,)),
        "known_to": stretch.width,
        "band": stretch.band,
        "trust": stretch.trust if stretch.trust <= 1 else None,
        "levers": list(stretch.levers),
        "lost": list(stretch.lost),
        "once": list(stretch.once),
        "because": _because(stretch),
        "drivers": list(stretch.drivers),
        "change": None if worst is None else worst.change.name.lower(),
    }


def _because(stretch: Stretch) -> str:
    return "; ".join([*stretch.drivers[:1], *([stretch.why] if stretch.why else [])])
