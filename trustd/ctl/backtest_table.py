"""What a backtest found, as people and lines of text have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trustd.ctl.connection import Document
from trustd.ctl.tables import band_style, cell, pairs, table
from trustd.ctl.text import NOTHING, duration, exact, moment, ratio

_COLUMNS = (
    "GUEST",
    ">TIMES",
    ">FOR",
    ">HAPPENED",
    "FIRST",
    "LAST",
    "DOWN TO",
    "WOULD",
    "BECAUSE",
)
_EACH = ("BEGIN", ">FOR", "GUEST", "BAND", ">TRUST", "HAPPENED", "WOULD", "BECAUSE")
_STEPS = {0.0: "every tick", 60.0: "by the minute", 3600.0: "by the hour"}


def _would(total: Document) -> str:
    """What would be done, in a few words."""
    done = [*total["levers"], *total["once"]]
    done += [f"no {', '.join(total['lost'])}"] if total["lost"] else []
    how = {"held": "held back: ", "observed": "only told: "}
    states = total["by_state"]
    head = "" if states.get("narrowed") else how.get(next(iter(states), ""), "")
    return head + (", ".join(done) or NOTHING)


def plain(document: Document) -> Iterator[Sequence[str]]:
    """A line a guest."""
    for each in document["guests"]:
        would, was = each["would"], each["happened"]
        yield (
            each["guest"],
            each["name"],
            *(str(total[name]) for total in (would, was) for name in ("times", "seconds")),
            str(each["more"]),
            str(each["less"]),
            *(exact(would[name]) for name in ("first", "last", "band")),
            *(",".join(would[name]) or NOTHING for name in ("levers", "lost", "once")),
            would["because"] or NOTHING,
        )


def plain_each(document: Document) -> Iterator[Sequence[str]]:
    """A line each time at which a guest would have been narrowed."""
    for guest in document["guests"]:
        for each in guest["stretches"]:
            yield (
                guest["guest"],
                guest["name"],
                *(exact(each[name]) for name in ("begin", "end", "seconds", "known_to")),
                ",".join(each["by_state"]) or NOTHING,
                each["band"],
                *(exact(each[name]) for name in ("trust", "change")),
                *(",".join(each[name]) or NOTHING for name in ("levers", "lost", "once")),
                each["because"] or NOTHING,
            )


def shown(document: Document, *, each: bool) -> RenderableType:
    """All of it for people: what was gone through, what differs, and a table.

    Args:
        each: whether it has a line each time, or a line a guest.
    """
    head = Padding(pairs(_head(document)), (0, 0, 1, 0))
    if not document["guests"]:
        return Group(head, Text("no guest would have been narrowed, and none was"))
    return Group(head, _each(document) if each else _guests(document))


def _head(document: Document) -> Iterator[tuple[str, str]]:
    policy = document["policy"]
    yield "policy", f"{policy['name']} of {policy['path']}"
    for each in document["resolutions"]:
        how = _STEPS.get(each["seconds"], duration(each["seconds"]))
        yield "history", f"{moment(each['since'])} to {moment(each['until'])}, {how}"
    if document["resolutions"] and document["resolutions"][0]["seconds"]:
        yield "", "by the minute or hour no fall is missed, and none is told too short"
    yield "trust", "as it was recorded: no behaviour was scored anew"
    for name, text in _NOTES.items():
        if document[name]:
            yield "but", text.format(len(document[name]))
    yield "differs", _verdict(document)


_NOTES = {
    "scored_otherwise": (
        "the policy weighs the behaviour of {} of the guests otherwise than the one by which they"
        " were scored; what their trust would have been is not recorded"
    ),
    "devices_assumed": (
        "which devices {} of the guests had is not recorded: one disk and one interface are assumed"
    ),
    "policies_lost": "{} of the policies that were in force cannot be read any more",
    "untold": "of {} guests history is kept, and not who they are: they are left out",
    "damaged": "a part of the history of {} guests cannot be read",
}


def _verdict(document: Document) -> str:
    parts = []
    for name, how in (("more", "further"), ("less", "less")):
        found = [each for each in document["guests"] if each[name]]
        if found:
            seconds = sum(each[name] for each in found)
            parts.append(f"{len(found)} narrowed {how} than happened, for {duration(seconds)}")
    return "; ".join(parts) or f"nothing, for {document['seen']} guests"


def _guests(document: Document) -> Table:
    made = table(_COLUMNS, (_row(each, document["bands"]) for each in document["guests"]))
    made.caption = f"{len(document['guests'])} of {document['seen']} guests; --each shows each time"
    return made


def _row(guest: Document, bands: Sequence[str]) -> Iterator[str | Text]:
    would, was = guest["would"], guest["happened"]
    yield guest["name"]
    yield str(would["times"])
    yield duration(would["seconds"]) if would["times"] else NOTHING
    yield f"{was['times']}: {duration(was['seconds'])}" if was["times"] else NOTHING
    for name in ("first", "last"):
        yield NOTHING if would[name] is None else moment(would[name])
    yield cell(would["band"] or NOTHING, band_style(would["band"] or "", bands))
    yield _would(would) if would["times"] else NOTHING
    yield would["because"] or NOTHING


def _each(document: Document) -> Table:
    rows = [(guest["name"], each) for guest in document["guests"] for each in guest["stretches"]]
    rows.sort(key=lambda row: (row[1]["begin"], row[0]))
    changes = {"more": "not so far", "less": "further", "other": "another band", None: "the same"}
    return table(
        _EACH,
        (
            (
                moment(each["begin"]),
                duration(each["seconds"]),
                name,
                cell(each["band"], band_style(each["band"], document["bands"])),
                ratio(each["trust"]),
                changes[each["change"]],
                _would(each),
                each["because"] or NOTHING,
            )
            for name, each in rows
        ),
    )
