"""``trustctl explain GUEST --at TIME``: how a guest stood at a time that has passed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from trustd.ctl.connection import Document, guest_path
from trustd.ctl.explaining import deed, sections
from trustd.ctl.instants import passed
from trustd.ctl.session import Session
from trustd.ctl.text import NOTHING, exact, moment, ratio, setting


def show_then(session: Session, guest: str, at: str) -> None:
    """Show what the journal has of a guest at a time."""
    found = session.connection.get(f"{guest_path(guest)}/then", {"at": passed(at)})
    session.show(found, lambda: _plain(found), lambda: _told(found))


def _told(found: Document) -> RenderableType:
    return sections(
        _head(found),
        (
            ("What was held against it", _against(found)),
            ("What was taken away", (f"{deed(each)}" for each in found["actions"])),
            ("What came afterwards", map(_moved, found["afterwards"])),
        ),
    )


def _head(found: Document) -> Iterator[str]:
    mode = f", mode {found['mode']}" if found["mode"] else ""
    yield (
        f"At {moment(found['at'])} {found['name']} was {found['state']} in band {found['band']},"
        f" since {moment(found['since'])} and with trust {ratio(found['trust'])} then{mode}."
    )
    if found["protected"]:
        yield "It was protected: it was never narrowed."
    for word in found["words"]:
        because = f": {word['reason']}" if word["reason"] else ""
        yield f"An operator had called it {word['verdict']} at {moment(word['at'])}{because}."
    for note in found["notes"]:
        yield f"Mind that {note}."


def _against(found: Document) -> Iterator[str]:
    for move in found["moves"]:
        yield _moved(move)
        for because in move["because"]:
            yield f"    {because}"
    if not found["moves"]:
        yield "It had not changed its band before."


def _moved(move: Document) -> str:
    return (
        f"{moment(move['at'])}: {move['before']} -> {move['after']} with trust"
        f" {ratio(move['trust'])} ({move['mode']})"
    )


def _plain(found: Document) -> Iterator[Sequence[str]]:
    """Lines for programs; the first field says of what."""
    for key in ("guest", "name", "at", "state", "band", "since", "trust", "mode", "policy"):
        yield key, exact(found[key])
    for name in ("moves", "afterwards"):
        for move in found[name]:
            because = "; ".join(move["because"]) or NOTHING
            trust = exact(move["trust"])
            yield name, exact(move["at"]), move["before"], move["after"], trust, because
    for each in found["actions"]:
        yield "action", each["lever"], each["device"], each["status"], setting(each["setting"])
    for word in found["words"]:
        yield "word", exact(word["at"]), word["verdict"], word["reason"]
    for note in found["notes"]:
        yield "note", note
