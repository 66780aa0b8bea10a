"""``trustctl gate``: puts disks behind gates, and takes them back."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence

import click
from rich.console import RenderableType

from trustd.ctl.completing import guests
from trustd.ctl.connection import Document
from trustd.ctl.session import ANSWER_IS_BAD, Session, with_session
from trustd.ctl.tables import pairs, table
from trustd.ctl.text import NOTHING, harmless
from trustd.gate import name_of, unit_named

_SERVING, _PAUSE = 10.0, 0.1
"""Seconds for which a server that was just started is waited for, and between two looks."""
_UNIT = {"add": ["enable", "--now"], "remove": ["disable", "--now"]}


@click.group()
def command() -> None:
    """Put disks of guests behind gates, where reads or writes can be denied exactly."""


@command.command("list")
@with_session
def show(session: Session) -> None:
    """List every gate, and what it denies.

    Exits with 3 where a guest's disk is behind a gate that does not serve.
    """
    found = session.connection.get("/v1/gates")
    gates = found["gates"]
    session.show(found, lambda: _plain(gates), lambda: _table(gates))
    if any(gate["used"] and not gate["serving"] for gate in gates):
        click.get_current_context().exit(ANSWER_IS_BAD)


@command.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@click.argument("target", metavar="TARGET")
@click.option("--dry-run", is_flag=True, help="Show the change, and make none.")
@with_session
def add(session: Session, *, guest: str, target: str, dry_run: bool) -> None:
    """Put the disk TARGET (such as vda) of a guest that is off behind a gate.

    It counts from the guest's next start on. Where systemd runs, root starts the gate's
    unit with it.
    """
    _ask(session, "add", {"guest": guest, "target": target, "dry_run": dry_run})


@command.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@click.argument("target", metavar="TARGET")
@click.option("--dry-run", is_flag=True, help="Show the change, and make none.")
@with_session
def remove(session: Session, *, guest: str, target: str, dry_run: bool) -> None:
    """Let the disk TARGET of a guest that is off be what it was before its gate."""
    _ask(session, "remove", {"guest": guest, "target": target, "dry_run": dry_run})


def _ask(session: Session, what: str, request: Document) -> None:
    path = {"add": "/v1/gates", "remove": "/v1/gates/remove"}[what]
    done = session.connection.post(path, request)
    if not done["done"] and not request["dry_run"]:
        _unit(what, _own_unit(done["gate"], request["target"]))
        done = _when_it_serves(session, path, request)
    session.show(done, lambda: _changed(done), lambda: pairs(_changed(done)))


def _when_it_serves(session: Session, path: str, request: Document) -> Document:
    """Ask again, until the server that was started serves, for a few seconds."""
    until = time.monotonic() + _SERVING
    while True:
        done = session.connection.post(path, request)
        if done["done"] or time.monotonic() > until:
            return done
        time.sleep(_PAUSE)


def _own_unit(gate: Document, target: str) -> str:
    """The unit of the gate that was asked for; root has no other touched on the daemon's word."""
    try:
        unit = unit_named(name_of(gate["guest"], target))
    except ValueError as error:
        raise click.ClickException(harmless(f"trustd names no gate: {error}")) from error
    if gate["unit"] != unit:
        raise click.ClickException(
            harmless(f"trustd names {gate['unit']!r}, which is not the gate's unit {unit}")
        )
    return unit


def _unit(what: str, unit: str) -> None:
    """Start or stop a gate's unit, which only root may."""
    words = ["systemctl", *_UNIT[what], "--", unit]
    if os.geteuid() != 0:
        raise click.ClickException(
            f"run this as root, and then the same command again: {shlex.join(words)}"
        )
    try:
        subprocess.run(words, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise click.ClickException(f"{shlex.join(words)}: {error}") from error


def _changed(done: Document) -> Iterator[tuple[str, str]]:
    yield "gate", done["gate"]["id"]
    yield "volume", done["gate"]["volume"]
    yield "done", "yes" if done["done"] else "no"
    yield "before", done["before"] or NOTHING
    yield "after", done["after"] or NOTHING


def _denies(gate: Document) -> str:
    return ",".join(each for each in ("read", "write") if gate[f"deny_{each}"]) or NOTHING


def _plain(gates: Sequence[Document]) -> Iterator[Sequence[str]]:
    for gate in gates:
        yield (
            gate["guest"],
            gate["name"],
            gate["target"],
            gate["volume"],
            "used" if gate["used"] else "unused",
            "serving" if gate["serving"] else "down",
            _denies(gate),
        )


def _table(gates: Sequence[Document]) -> RenderableType:
    return table(
        ("GUEST", "DISK", "BEHIND IT", "SERVER", "DENIES", "VOLUME"),
        (
            (
                gate["name"] or gate["guest"],
                gate["target"],
                "yes" if gate["used"] else "no",
                "runs" if gate["serving"] else "down",
                _denies(gate),
                gate["volume"],
            )
            for gate in gates
        ),
    )
