"""``trustctl explain GUEST``: why a guest stands where it stands, as one would tell it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from trustd.ctl.connection import Document, guest_path
from trustd.ctl.ordering import bounded, by_whom
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import cell
from trustd.ctl.text import NOTHING, amount, duration, ratio, setting

_UNSURE = 0.5
"""Uncertainty from which it is worth a sentence."""
_NOTABLE = 0.01
"""The share from which a signal is told to a person."""
_RAREST = 1e-5
"""What a memory of some weeks cannot tell from never."""
_DONE = {
    "applied": "done",
    "held": "in force",
    "would-apply": "would be done",
    "restored": "given back",
}


@click.command()
@click.argument("guest", metavar="NAME|UUID")
@with_session
def command(session: Session, *, guest: str) -> None:
    """Tell why a guest is trusted as it is, what was taken away, and what gives it back."""
    found = session.connection.get(f"{guest_path(guest)}/explain")
    session.show(found, lambda: _plain(found), lambda: _told(found, time.time()))


def _told(found: Document, now: float) -> RenderableType:
    parts: list[RenderableType] = [cell(line) for line in _head(found, now)]
    sections = (
        ("What was seen", _seen(found, now)),
        ("What was taken away", _taken(found)),
        ("What gives it back", _back(found, now)),
    )
    for title, lines in sections:
        told = [cell(line) for line in lines]
        if told:
            parts += [Text(f"\n{title}", style="bold"), *(_indented(line) for line in told)]
    return Group(*parts)


def _indented(line: Text) -> RenderableType:
    return Padding(line, (0, 0, 0, 2), expand=False)


def _head(found: Document, now: float) -> Iterator[str]:
    lasting = "" if found["since"] is None else f" for {duration(now - found['since'])}"
    yield (
        f"{found['name']} has trust {ratio(found['trust'])} and is in band {found['band']}"
        f"{lasting} (mode {found['mode']})."
    )
    yield from _ordered(found, now)
    unsure = found["opinion"]["uncertainty"]
    if unsure is not None and unsure >= _UNSURE:
        yield f"Little is known of it yet: uncertainty {ratio(unsure)}."
    if found["freshness"] != "fresh":
        age = found["age"]
        last = "it was never sampled" if age is None else f"its last sample is {duration(age)} old"
        yield f"It is {found['freshness']}: {last}."


def _ordered(found: Document, now: float) -> Iterator[str]:
    """What an operator made of it."""
    if (override := found["override"]) is not None:
        moved = f"{found['automatic']} -> {found['band']} ({bounded(override)})"
        yield f"Override: {moved} {by_whom(override, now)}."
    if (protection := found["protection"]) is not None:
        yield f"Protected {by_whom(protection, now)}."


def _seen(found: Document, now: float) -> Iterator[str]:
    standing = found["standing"]
    if standing is None:
        yield "The engine is busy with a tick; these are the last one's words:"
        for driver in found["drivers"]:
            yield f"{_percent(driver['share'])} {driver['name']}: {driver['text']}"
        return
    for open_finding in standing["findings"]:
        ago = duration(None if open_finding["opened"] is None else now - open_finding["opened"])
        yield (
            f"{open_finding['severity']}: {open_finding['summary']} ({open_finding['kind']} by"
            f" {open_finding['source']}, {ago} ago); it holds trust at {open_finding['ceiling']:g}"
            " at most."
        )
    for term in standing["terms"]:
        if (term["share"] or 0.0) >= _NOTABLE:
            yield from _term(term, now)
    past = next((each for each in found["drivers"] if each["name"] == "past"), None)
    if past is not None:
        yield f"{_percent(past['share'])} {past['text']}."
    if standing["repeats"] >= 1.0:
        yield f"It is remembered for {standing['repeats']:.1f} offences, so it is forgiven slowly."
    if not found["drivers"]:
        yield "Nothing is held against it."


def _term(term: Document, now: float) -> Iterator[str]:
    unit = term["unit"]
    since = "" if term["since"] is None else f", since {duration(now - term['since'])} ago"
    yield (
        f"{_percent(term['share'])} {term['signal']}: {amount(term['value'], unit)}, where"
        f" {amount(term['expected'], unit)} is normal{since}."
    )
    yield (
        f"     So far off in {often(term['rarity'])} of this guest's own windows and in"
        f" {often(term['fleet_rarity'])} of the fleet's;"
        f" its own record is {amount(term['record'], unit)}."
    )


def _taken(found: Document) -> Iterator[str]:
    for access in found["lost"]:
        held = " ".join(access["held"]) or "nothing"
        yield (f"{' '.join(access['lost'])} on {access['type']} {access['id']}; it keeps {held}.")
    for act in found["actions"]:
        device = f" on {act['device']}" if act["device"] else ""
        became = _DONE.get(act["status"], act["status"])
        trouble = f" ({act['error']})" if act["error"] else ""
        yield (
            f"{act['lever']}{device}, {setting(act['setting'])}: {became}{trouble},"
            f" because {act['because']}."
        )


def _back(found: Document, now: float) -> Iterator[str]:
    standing = found["standing"]
    if standing is None:
        return
    for line in standing["restore"]:
        yield f"{line}."
    earliest = standing["earliest"]
    if not found["drivers"]:
        return
    if earliest is None:
        yield "When that can be is not known: it takes an operator's word (trustctl ack)."
    elif earliest > now:
        yield (
            f"At the earliest in {duration(earliest - now)}, if it gives no further cause;"
            " at once by trustctl ack … benign."
        )


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):3.0f} %"


def often(probability: float | None) -> str:
    """How often something happens.

    >>> often(0.002), often(1e-7), often(None)
    ('1 in 500', 'fewer than 1 in 100,000', 'an unknown part')
    """
    if probability is None:
        return "an unknown part"
    if probability < _RAREST:
        return "fewer than 1 in 100,000"
    return f"1 in {1 / probability:,.0f}"


def _plain(found: Document) -> Iterator[Sequence[str]]:
    """Lines for programs; the first field says of what."""
    for key in ("id", "name", "freshness", "trust", "band", "since", "mode"):
        yield key, _exact(found[key])
    yield "uncertainty", _exact(found["opinion"]["uncertainty"])
    if found["standing"] is not None:
        yield from _plain_standing(found["standing"])
    for driver in found["drivers"]:
        yield "driver", driver["name"], _exact(driver["share"]), driver["text"]
    for access in found["lost"]:
        yield "lost", access["type"], access["id"], ",".join(access["lost"])
    for act in found["actions"]:
        yield "action", act["lever"], act["device"], act["status"], setting(act["setting"])


def _plain_standing(standing: Document) -> Iterator[Sequence[str]]:
    for key in ("ceiling", "repeats", "earliest"):
        yield key, _exact(standing[key])
    for each in standing["findings"]:
        yield (
            "finding",
            each["severity"],
            each["kind"],
            _exact(each["ceiling"]),
            _exact(each["opened"]),
            each["summary"],
        )
    for term in standing["terms"]:
        if term["share"]:
            yield ("term", term["signal"], *(_exact(term[key]) for key in _TERM))
    for line in standing["restore"]:
        yield "restore", line


_TERM = (
    "unit",
    "share",
    "value",
    "expected",
    "rarity",
    "fleet_rarity",
    "record",
    "evidence",
    "since",
)


def _exact(value: object) -> str:
    return NOTHING if value is None else str(value)
