"""``trustctl incident N``: one incident, what is done about it, and its report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from trustd.ctl.connection import Document
from trustd.ctl.incidents import STYLES, waits, whom
from trustd.ctl.ordering import dry_run
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import cell, pairs, table
from trustd.ctl.text import NOTHING, moment, ratio

CONCLUSIONS = ("false-alarm", "attack", "fault", "maintenance")


@click.command()
@click.argument("number", metavar="N", type=click.IntRange(1))
@click.argument(
    "act",
    metavar="[ack|assign|comment|resolve|report]",
    required=False,
    type=click.Choice(["ack", "assign", "comment", "resolve", "report"]),
)
@click.argument("what", required=False)
@click.option("--reason", metavar="TEXT", help="With resolve: how it is known.")
@click.option(
    "--format", "form", type=click.Choice(["md", "html"]), help="Of a report.  [default: md]"
)
@dry_run
@with_session
def command(
    session: Session,
    *,
    dry_run: bool,
    number: int,
    act: str | None,
    what: str | None,
    reason: str | None,
    form: str | None,
) -> None:
    """Show one incident, or do something about it.

    WHAT is the person for assign, the text for comment, and for resolve what it was:
    false-alarm, attack, fault or maintenance. A report goes to standard output.
    """
    if form is not None and act != "report":
        raise click.UsageError("--format belongs to report")
    if reason is not None and act != "resolve":
        raise click.UsageError("--reason belongs to resolve")
    if dry_run and act in {None, "report"}:
        raise click.UsageError("--dry-run needs something to do")
    if (what is None) is (act in {"assign", "comment", "resolve"}):
        raise click.UsageError(f"{act or 'this'} takes {'no' if what else 'a'} WHAT: see --help")
    path = f"/v1/incidents/{number}"
    if act in {None, "report"}:
        found = session.connection.get(path)
        if act == "report":
            _report(found, form or "md")
            return
    else:
        asked = {**_asked(str(act), what, reason), "dry_run": dry_run}
        found = session.connection.post(path, asked)
    tried = [("dry-run", "not done")] if dry_run else []
    session.show(
        found,
        lambda: [*tried, *_plain(found)],
        lambda: Group(pairs(tried), _shown(found, time.time())),
    )


def _asked(act: str, what: str | None, reason: str | None) -> Document:
    if act != "resolve":
        return {"act": act, "text": what or ""}
    if what not in CONCLUSIONS:
        raise click.UsageError(f"resolve needs one of {', '.join(CONCLUSIONS)}")
    return {"act": act, "conclusion": what, "text": reason or ""}


def _report(found: Document, form: str) -> None:
    from trustd.ctl.incident_report import html, markdown  # noqa: PLC0415 - rarely needed

    click.echo(html(found, time.time()) if form == "html" else markdown(found, time.time()))


def _plain(found: Document) -> Iterator[Sequence[str]]:
    for key, value in found["summary"].items():
        yield key, NOTHING if value in {None, ""} else str(value)
    for each in found["affected"]:
        yield "affected", each
    for each in found["timeline"]:
        by = each["by"] or NOTHING
        yield "line", str(each["at"]), each["kind"], each["severity"] or NOTHING, by, each["text"]
    for each in found["rulings"]:
        answer = "permit" if each["permit"] else "deny"
        object_ = (each["type"], each["id"], each["reason"], str(each["times"]))
        yield "answer", answer, each["action"], *object_
    for each in found["recommended"]:
        yield "recommended", each["text"], *each["commands"]


def _shown(found: Document, now: float) -> RenderableType:
    short = found["summary"]
    points = found["trust"]
    state = short["state"]
    if short["conclusion"]:
        state = f"{state}: {short['conclusion']}"
    rows: list[tuple[str, str | Text]] = [
        ("incident", f"{short['number']}: {whom(short)}"),
        ("severity", cell(short["severity"], STYLES.get(short["severity"], ""))),
        ("state", state),
        ("answer", cell(waits(short, now), "bold red" if short["overdue"] else "")),
        ("whose", short["assigned"] or NOTHING),
        ("cause", short["cause"]),
        ("opened", moment(short["opened"])),
    ]
    if short["guest"]:
        rows.insert(1, ("guest", short["guest"]))
    if short["reopened"]:
        rows.append(("re-opened", f"{short['reopened']} times"))
    if short["follows"] is not None:
        rows.append(("follows", f"incident {short['follows']}"))
    if points:
        lowest = min(each["trust"] for each in points)
        rows.append(("trust", f"{ratio(points[-1]['trust'])}, lowest {ratio(lowest)}"))
    rows += [("lost", each) for each in found["affected"]]
    parts: list[RenderableType] = [pairs(rows), _apart(_timeline(found))]
    if found["left_out"]:
        parts.append(Text("... and more: trustctl audit show"))
    if found["rulings"]:
        parts.append(_apart(_answers(found["rulings"])))
    for each in found["recommended"]:
        parts.append(_apart(cell(each["text"], "bold")))
        parts += [cell(f"  {line}") for line in each["commands"]]
    return Group(*parts)


def _apart(part: RenderableType) -> Padding:
    return Padding(part, (1, 0, 0, 0))


def _timeline(found: Document) -> RenderableType:
    lines = (
        (moment(each["at"]), each["kind"], each["severity"], each["by"], each["text"])
        for each in found["timeline"]
    )
    return table(("WHEN", "WHAT", "SEVERITY", "BY", ""), lines)


def _answers(rulings: Sequence[Document]) -> RenderableType:
    return table(
        ("ANSWER", "ACTION", "OBJECT", "REASON", ">TIMES"),
        (
            (
                "permit" if each["permit"] else "deny",
                each["action"],
                f"{each['type']} {each['id']}",
                each["reason"],
                str(each["times"]),
            )
            for each in rulings
        ),
    )
