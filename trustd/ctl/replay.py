"""``trustctl replay``: what a policy would have made of a recording, or of recorded history."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from trustd.ctl.backup import DATABASE
from trustd.ctl.connection import Document
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import band_style, cell, table
from trustd.ctl.text import NOTHING, ratio
from trustd.errors import DocumentError, PolicyError
from trustd.model import Assessment, Fleet, GuestId

COLUMNS = ("TIME", "GUEST", ">TRUST", "FROM", "TO", "WOULD", "BECAUSE")
DEFAULT_POLICY = Path("/etc/trustd/policies/default.yaml")
_STATE = "/var/lib/trustd"


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_POLICY,
    show_default=True,
    help="The policy to judge by.",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Play the repository's history from then on: 30d, 12h ago, or 2026-12-01T08:00:00Z.",
)
@click.option("--until", metavar="TIME", help="Up to then.  [default: now]")
@click.option("--guest", "guests", metavar="NAME|UUID", multiple=True, help="Show only this one.")
@click.option("--each", is_flag=True, help="Show every time at which one would be narrowed.")
@click.option(
    "--database",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The repository, or a backup of it.  [default: trustd.db in TRUSTD_STATE or"
    " /var/lib/trustd]",
)
@with_session
def command(
    session: Session,
    *,
    file: Path | None,
    policy: Path,
    since: str | None,
    until: str | None,
    guests: Sequence[str],
    each: bool,
    database: Path | None,
) -> None:
    """Play the recording FILE through a policy, and show which bands guests would have entered.

    With --since, play what the repository recorded instead, and show which guests the policy
    would have narrowed, when, why and for how long, beside what happened. Exits with 3 where
    it narrows further than happened.

    Needs no daemon and touches no guest. Make a recording with `trustd record`.
    """
    if since is not None and file is None:
        from trustd.ctl.backtest import Asked, backtest  # noqa: PLC0415 - rarely needed

        place = database or Path(os.environ.get("TRUSTD_STATE", _STATE)) / DATABASE
        backtest(session, Asked(place, policy, since, until, guests, each))
        return
    if file is None or since is not None:
        raise click.UsageError("give a recording FILE, or --since to play the repository's history")
    if until is not None or guests or each or database is not None:
        raise click.UsageError("--until, --guest, --each and --database go with --since")
    _play(session, file, policy)


def _play(session: Session, file: Path, policy: Path) -> None:
    # the whole line is behind this: commands that only ask the daemon start without it
    from trustd.daemon.replaying import replay  # noqa: PLC0415

    told, damage = Told(), None
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.fields[at]}, {task.completed} ticks"),
        disable=not sys.stderr.isatty(),
        transient=True,
        console=session.messages,
    ) as progress:
        task = progress.add_task("", at="", total=None)
        try:
            for fleet in replay(file, policy):
                told.hear(fleet)
                progress.update(task, advance=1, at=_clock(fleet.at))
        except PolicyError:
            raise
        except DocumentError as error:
            damage = error
    document = told.document()
    session.show(
        document, lambda: map(_plain, document["transitions"]), lambda: _table(told, document)
    )
    if damage is not None:
        # what came before the damage was played and is shown
        raise damage


@dataclass(slots=True)
class Told:
    """What happened in a recording, as far as it was played."""

    bands: Sequence[str] = ()
    ticks: int = 0
    transitions: list[Document] = field(default_factory=list)
    last: dict[GuestId, str] = field(default_factory=dict)

    def hear(self, fleet: Fleet) -> None:
        """Note which guests entered another band."""
        self.ticks += 1
        self.bands = fleet.bands
        for guest in fleet.guests.values():
            before = self.last.get(guest.id)
            self.last[guest.id] = guest.band
            if before is not None and before != guest.band:
                self.transitions.append(_transition(guest, before))

    def document(self) -> Document:
        """All of it, as JSON has it."""
        return {
            "ticks": self.ticks,
            "guests": len(self.last),
            "bands": list(self.bands),
            "transitions": self.transitions,
        }


def _transition(guest: Assessment, before: str) -> Document:
    return {
        "at": guest.at,
        "guest": guest.id,
        "name": guest.guest.name,
        "trust": guest.trust,
        "from": before,
        "to": guest.band,
        "would": sorted({outcome.action.lever for outcome in guest.outcomes}),
        "because": [driver.text for driver in guest.drivers],
    }


def _plain(transition: Document) -> Sequence[str]:
    return (
        str(transition["at"]),
        transition["guest"],
        transition["name"],
        str(transition["trust"]),
        transition["from"],
        transition["to"],
        ",".join(transition["would"]) or NOTHING,
        "; ".join(transition["because"]) or NOTHING,
    )


def _table(told: Told, document: Document) -> Table:
    made = table(COLUMNS, (_row(each, told.bands) for each in document["transitions"]))
    made.caption = (
        f"{document['ticks']} ticks, {document['guests']} guests,"
        f" {len(document['transitions'])} changes of band"
    )
    return made


def _row(transition: Document, bands: Sequence[str]) -> Iterator[str | Text]:
    yield _clock(transition["at"])
    yield transition["name"]
    yield ratio(transition["trust"])
    yield cell(transition["from"], band_style(transition["from"], bands))
    yield cell(transition["to"], band_style(transition["to"], bands))
    yield ", ".join(transition["would"]) or NOTHING
    yield "; ".join(transition["because"]) or NOTHING


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
