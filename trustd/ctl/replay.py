"""``trustctl replay``: what a policy would have made of a recording."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from trustd.ctl.connection import Document
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import band_style, cell, table
from trustd.ctl.text import NOTHING, ratio
from trustd.errors import DocumentError, PolicyError
from trustd.model import Assessment, Fleet, GuestId

COLUMNS = ("TIME", "GUEST", ">TRUST", "FROM", "TO", "WOULD", "BECAUSE")
DEFAULT_POLICY = Path("/etc/trustd/policies/default.yaml")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_POLICY,
    show_default=True,
    help="The policy to judge by.",
)
@with_session
def command(session: Session, *, file: Path, policy: Path) -> None:
    """Play the recording FILE through a policy, and show which bands guests would have entered.

    Needs no daemon and touches no guest. Make a recording with `trustd record`.
    """
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
