"""``trustctl explain GUEST``: why a guest stands where it stands, as one would tell it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

import click
from rich.console import RenderableType

from trustd.ctl.completing import guests
from trustd.ctl.connection import Document, guest_path
from trustd.ctl.explain_then import show_then
from trustd.ctl.explaining import deed, sections
from trustd.ctl.instants import at_option
from trustd.ctl.ordering import bounded, by_whom
from trustd.ctl.session import Session, with_session
from trustd.ctl.text import amount, duration, exact, ratio, setting

_UNSURE = 0.5
"""Uncertainty from which it is worth a sentence."""
_NOTABLE = 0.01
"""The share from which a signal is told to a person."""
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A name that can be typed into a shell as it is."""
_RAREST = 1e-5
"""What a memory of some weeks cannot tell from never."""


@click.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@at_option
@with_session
def command(session: Session, *, guest: str, at: str | None) -> None:
    """Tell why a guest is trusted as it is, what was taken away, and what gives it back.

    With --at, how it stood at a time that has passed, by the journal.
    """
    if at is not None:
        show_then(session, guest, at)
        return
    found = session.connection.get(f"{guest_path(guest)}/explain")
    session.show(found, lambda: _plain(found), lambda: _told(found, time.time()))


def _told(found: Document, now: float) -> RenderableType:
    return sections(
        _head(found, now),
        (
            ("What was seen", _seen(found, now)),
            ("What was taken away", _taken(found)),
            ("What gives it back", _back(found, now)),
        ),
    )


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
    yield from map(deed, found["actions"])


def _back(found: Document, now: float) -> Iterator[str]:
    standing = found["standing"]
    if standing is None:
        return
    for line in standing["restore"]:
        yield f"{line}."
    for step in standing["steps"]:
        yield from _step(step, now)
    if not found["drivers"]:
        return
    earliest = standing["earliest"]
    if earliest is None:
        yield "When that can be is not known: it takes an operator's word."
    elif earliest > now:
        yield f"Trust can be back at 0.8 in {duration(earliest - now)}."
    guest = found["name"] if _WORD.fullmatch(found["name"]) else found["id"]
    yield (
        f"At once by trustctl ack {guest} benign, where what it did was right; for a time,"
        f" whatever it was, by trustctl release {guest}."
    )


def _step(step: Document, now: float) -> Iterator[str]:
    stays = f" and has been so for {duration(step['dwell'])}" if step["dwell"] else ""
    when = "that cannot be said now"
    if step["earliest"] is not None:
        when = f"at the earliest in {duration(step['earliest'] - now)}, without further cause"
    yield f"Band {step['band']}, once trust is {step['enter']:g} or more{stays}: {when}."
    for each in step["gives"]:
        yield f"     It gives back {' '.join(each['actions'])} on {each['type']} {each['id']}."


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
        yield key, exact(found[key])
    yield "uncertainty", exact(found["opinion"]["uncertainty"])
    if found["standing"] is not None:
        yield from _plain_standing(found["standing"])
    for driver in found["drivers"]:
        yield "driver", driver["name"], exact(driver["share"]), driver["text"]
    for access in found["lost"]:
        yield "lost", access["type"], access["id"], ",".join(access["lost"])
    for act in found["actions"]:
        yield "action", act["lever"], act["device"], act["status"], setting(act["setting"])


def _plain_standing(standing: Document) -> Iterator[Sequence[str]]:
    for key in ("ceiling", "repeats", "earliest"):
        yield key, exact(standing[key])
    for each in standing["findings"]:
        yield (
            "finding",
            each["severity"],
            each["kind"],
            exact(each["ceiling"]),
            exact(each["opened"]),
            each["summary"],
        )
    for term in standing["terms"]:
        if term["share"]:
            yield ("term", term["signal"], *(exact(term[key]) for key in _TERM))
    for line in standing["restore"]:
        yield "restore", line
    for step in standing["steps"]:
        yield "step", step["band"], *(exact(step[key]) for key in ("enter", "dwell", "earliest"))


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
