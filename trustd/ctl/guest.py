"""``trustctl guest NAME``: everything about one guest."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from trustd.ctl.completing import guests
from trustd.ctl.connection import Document, guest_path
from trustd.ctl.guests import restricted
from trustd.ctl.ordering import bounded, by_whom
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import cell, freshness_style, pairs, table
from trustd.ctl.text import NOTHING, amount, duration, moment, ratio, setting, size


@click.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@with_session
def command(session: Session, *, guest: str) -> None:
    """Show everything that is known of one guest, by its UUID or name."""
    document = session.connection.get(guest_path(guest))
    session.show(document, lambda: _plain(document), lambda: _sections(document, time.time()))


def _sections(guest: Document, now: float) -> RenderableType:
    parts: list[RenderableType] = [pairs(_head(guest, now))]
    for title, part in _details(guest, now):
        parts += [Text(f"\n{title}", style="bold"), Padding(part, (0, 0, 0, 2))]
    return Group(*parts)


def _head(guest: Document, now: float) -> Iterator[tuple[str, str | Text]]:
    short, opinion = guest["summary"], guest["opinion"]
    yield "guest", short["name"]
    yield "uuid", short["id"]
    yield (
        "state",
        cell(
            f"{short['state']}, {short['freshness']}, sampled {duration(short['age'])} ago"
            if short["age"] is not None
            else f"{short['state']}, {short['freshness']}, never sampled",
            freshness_style(short["freshness"]),
        ),
    )
    yield "labels", _labels(short) or NOTHING
    yield "roles", ", ".join(short["roles"]) or NOTHING
    yield "size", f"{guest['vcpus']} vCPU, {size(guest['memory'])}"
    yield (
        "trust",
        (
            f"{ratio(short['trust'])} (belief {ratio(opinion['belief'])}, disbelief"
            f" {ratio(opinion['disbelief'])}, uncertainty {ratio(opinion['uncertainty'])})"
        ),
    )
    since = short["since"]
    lasting = "" if since is None else f" for {duration(now - since)}"
    yield "band", f"{short['band']}{lasting}, mode {short['mode']}"
    if short["override"] is not None:
        override = short["override"]
        told = f"{short['automatic']} -> {short['band']} ({bounded(override)})"
        yield "override", cell(f"{told} {by_whom(override, now)}", "yellow")
    elif short["automatic"] != short["band"]:
        yield "by trust", cell(f"{short['automatic']}: enforcement is paused", "yellow")
    if short["protection"] is not None:
        yield "protected", cell(by_whom(short["protection"], now), "yellow")
    yield "restricted", restricted(short)


def _details(guest: Document, now: float) -> Iterator[tuple[str, RenderableType]]:
    drivers = guest["summary"]["drivers"]
    if drivers:
        yield (
            "What made it so",
            table(
                (">SHARE", "WHAT", "SEEN"),
                ((f"{100 * (d['share'] or 0):.0f} %", d["name"], d["text"]) for d in drivers),
            ),
        )
    if guest["findings"]:
        yield (
            "Open findings",
            table(
                ("SEVERITY", "KIND", "SOURCE", ">AGO", "WHAT"),
                (
                    (
                        f["severity"],
                        f["kind"],
                        f["source"],
                        duration(None if f["at"] is None else now - f["at"]),
                        f["summary"],
                    )
                    for f in guest["findings"]
                ),
            ),
        )
    if guest["actions"]:
        yield (
            "Actions",
            table(
                ("LEVER", "DEVICE", "STATUS", "WANTED", "BEFORE", "BECAUSE"),
                (
                    (
                        a["lever"],
                        a["device"] or NOTHING,
                        _became(a),
                        setting(a["setting"]),
                        setting(a["prior"]) or NOTHING,
                        f"{a['because']} (nearest to {a['weaker']})"
                        if a["weaker"]
                        else a["because"],
                    )
                    for a in guest["actions"]
                ),
            ),
        )
    yield (
        "Permissions",
        table(
            ("OBJECT", "ID", "HELD", "LOST"),
            (
                (
                    a["type"],
                    a["id"],
                    " ".join(a["held"]) or NOTHING,
                    cell(" ".join(a["lost"]) or NOTHING, "red" if a["lost"] else ""),
                )
                for a in guest["access"]
            ),
        ),
    )
    yield (
        "Samples",
        table(
            ("FEATURE", ">VALUE", "NO VALUE BECAUSE"),
            (
                (name, amount(sample["value"], sample["unit"]), sample["gap"] or "")
                for name, sample in guest["samples"].items()
            ),
        ),
    )


def _plain(guest: Document) -> Iterator[tuple[str, ...]]:
    """Lines for programs; the first field says of what."""
    short = guest["summary"]
    for key in ("id", "name", "state", "freshness", "age", "trust", "uncertainty", "band", "since"):
        yield key, NOTHING if short[key] is None else str(short[key])
    yield "mode", short["mode"]
    yield "automatic", short["automatic"]
    if (override := short["override"]) is not None:
        yield (
            "override",
            override["bound"],
            override["band"],
            str(override["until"]),
            override["by"],
            override["reason"],
        )
    for key, value in short["labels"].items():
        yield "label", key, value
    for role in short["roles"]:
        yield "role", role
    for driver in short["drivers"]:
        yield "driver", driver["name"], str(driver["share"]), driver["text"]
    for finding in guest["findings"]:
        yield "finding", finding["severity"], finding["kind"], finding["summary"]
    for access in guest["access"]:
        yield (
            "access",
            access["type"],
            access["id"],
            ",".join(access["held"]),
            ",".join(access["lost"]),
        )
    for action in guest["actions"]:
        yield (
            "action",
            action["lever"],
            action["device"],
            action["status"],
            setting(action["setting"]),
            setting(action["prior"]),
            action["error"],
        )
    for name, sample in guest["samples"].items():
        value = NOTHING if sample["value"] is None else str(sample["value"])
        yield "sample", name, value, sample["unit"], sample["gap"] or ""


def _became(action: Document) -> str:
    """What became of an action, with what stands against it and when it is tried again.

    >>> _became({"status": "held", "error": "", "foreign": "link down -> up", "again": None})
    'held; changed by somebody else: link down -> up'
    """
    parts = [f"{action['status']}: {action['error']}" if action["error"] else action["status"]]
    if action["foreign"] and not action["error"]:
        parts.append(f"changed by somebody else: {action['foreign']}")
    if action["again"] is not None:
        parts.append(f"tried {action['tries']} times, again at {moment(action['again'])}")
    return "; ".join(parts)


def _labels(short: Document) -> str:
    return ", ".join(f"{key}: {value}" for key, value in sorted(short["labels"].items()))
