"""``trustctl audit``: what was decided and done, by whom, and whether the record is sound."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
from rich.console import RenderableType

from trustd.ctl.audit_replay import replay
from trustd.ctl.connection import Document
from trustd.ctl.exported import of_file, record_of
from trustd.ctl.session import ANSWER_IS_BAD, Session, with_session
from trustd.ctl.tables import pairs, table
from trustd.ctl.text import NOTHING, harmless, moment
from trustd.errors import StoreError
from trustd.repository.anchors import genuine, parsed
from trustd.repository.trail import Anchor, Fault, Record, Start, verified

_PAGE = 1000
_BEGINS_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
"""Also as wide as a Chinese character, which some spreadsheets take too."""
_COLUMNS = ("id", "at", "guest", "name", "kind", "document", "hash")

_guest = click.option("--guest", help="Only records about this guest.")
_kind = click.option("--kind", help="Only records of this kind: band, action, label ...")


@click.group()
def command() -> None:
    """Show, export, check and replay the audit trail."""


command.add_command(replay)


@command.command()
@_guest
@_kind
@click.option("--last", default=50, show_default=True, type=click.IntRange(1, _PAGE))
@with_session
def show(session: Session, guest: str | None, kind: str | None, last: int) -> None:
    """Show the newest records, the newest last."""
    query = _query(session, guest, kind) | {"limit": last}
    found = session.connection.get("/v1/audit", query)
    session.show(found, lambda: _plain(found["records"]), lambda: _table(found["records"]))


@command.command()
@_guest
@_kind
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl")
@with_session
def export(session: Session, guest: str | None, kind: str | None, form: str) -> None:
    """Write the whole trail to the standard output, oldest first.

    JSON lines begin with a line that says where the trail begins, so that
    `trustctl audit verify FILE` can check the file anywhere.
    """
    query = _query(session, guest, kind)
    pages = _pages(session, query)
    if form == "csv":
        click.echo(_csv_line(_COLUMNS), nl=False)
        for page in pages:
            for each in page["records"]:
                click.echo(_csv_line(_csv_cells(each)), nl=False)
        return
    for number, page in enumerate(pages):
        if number == 0 and not query:
            head = {name: page[name] for name in ("trail", "first", "before", "key")}
            click.echo(json.dumps(head))
        for each in page["records"]:
            click.echo(json.dumps(each))


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--anchors",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Anchors that were kept elsewhere: JSON lines, such as a log.",
)
@click.option("--key", help="The key that signed the anchors, base64.  [default: the trail's own]")
@with_session
def verify(session: Session, file: Path | None, anchors: Path | None, key: str | None) -> None:
    """Check that the trail is what was written: the daemon's, or an exported FILE.

    Exits with 3 where it is not, and names every place.
    """
    if file is None and anchors is None:
        document = session.connection.get("/v1/audit/verify")
    else:
        try:
            document = _checked(session, file, anchors, key)
        except StoreError as error:
            raise click.ClickException(harmless(str(error))) from error
    session.show(document, lambda: _verdict_rows(document), lambda: _verdict(document))
    if not document["sound"]:
        raise SystemExit(ANSWER_IS_BAD)


def _query(session: Session, guest: str | None, kind: str | None) -> Document:
    query: Document = {}
    if guest:
        query["guest"] = session.guest_id(guest)
    if kind:
        query["kind"] = kind
    return query


def _pages(session: Session, query: Document) -> Iterator[Document]:
    page = session.connection.get("/v1/audit", {**query, "after": 0, "limit": _PAGE})
    yield page
    while page["next"]:
        page = session.connection.get(page["next"])
        yield page


def _checked(
    session: Session, file: Path | None, anchors: Path | None, key: str | None
) -> Document:
    """A check that is made here, on what the daemon or a file gives."""
    if file is None:
        pages = _pages(session, {})
        first = next(pages)
        head, records = first, _of_pages(first, pages)
    else:
        head, records = of_file(file)
    known = _anchors(anchors) if anchors else ()
    signer = key or head["key"]
    good = [each for each in known if genuine(each, signer)]
    start = Start(head["trail"], head["first"], bytes.fromhex(head["before"]))
    due = [each for each in good if each.trail != start.trail or each.id >= start.first]
    verdict = verified((each for each in records if each.id >= start.first), start, due)
    forged = [
        Fault(each.id, "its anchor is not signed by this key") for each in known if each not in good
    ]
    faults = [*forged, *verdict.faults]
    return {
        "sound": not faults,
        "trail": start.trail,
        "records": verdict.records,
        "last": verdict.last,
        "hash": verdict.hash.hex(),
        "anchors": verdict.anchors,
        "faults": [{"id": each.id, "what": each.what} for each in faults],
    }


def _of_pages(first: Document, others: Iterable[Document]) -> Iterator[Record]:
    for page in (first, *others):
        yield from map(record_of, page["records"])


def _anchors(path: Path) -> Sequence[Anchor]:
    try:
        with path.open(encoding="utf-8") as lines:
            return parsed(lines, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: the anchors cannot be read: {error}") from error


def _csv_cells(record: Document) -> list[str]:
    cells = [record[name] for name in _COLUMNS]
    texts = [json.dumps(each) if isinstance(each, dict) else str(each) for each in cells]
    # a spreadsheet takes such a cell for a formula, and guests choose their names
    return [f"'{each}" if each[:1] in _BEGINS_FORMULA else each for each in texts]


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([harmless(each) for each in cells])
    return line.getvalue()


def _plain(records: Sequence[Document]) -> Iterator[Sequence[str]]:
    for each in records:
        yield (
            str(each["id"]),
            str(each["at"]),
            each["guest"] or NOTHING,
            each["name"] or NOTHING,
            each["kind"],
            json.dumps(each["document"]),
        )


def _table(records: Sequence[Document]) -> RenderableType:
    return table(
        (">ID", "WHEN", "GUEST", "KIND", "WHAT"),
        (
            (
                str(each["id"]),
                moment(each["at"]),
                each["name"] or NOTHING,
                each["kind"],
                ", ".join(f"{name} {_brief(value)}" for name, value in each["document"].items()),
            )
            for each in records
        ),
    )


def _brief(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _verdict_rows(verdict: Document) -> Iterator[Sequence[str]]:
    yield ("sound" if verdict["sound"] else "broken", str(verdict["records"]), verdict["hash"])
    for each in verdict["faults"]:
        yield (str(each["id"]), each["what"])


def _verdict(verdict: Document) -> RenderableType:
    return pairs(
        (
            ("trail", verdict["trail"]),
            ("verdict", "sound" if verdict["sound"] else "not what was written"),
            ("records", f"{verdict['records']}, the last is {verdict['last']}"),
            ("head", verdict["hash"]),
            ("anchors", f"{verdict['anchors']} fit"),
            *((f"record {each['id']}", each["what"]) for each in verdict["faults"]),
        )
    )
