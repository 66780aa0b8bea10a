"""What every command has in common: its options, and how it shows its answer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click
from rich.console import Console, RenderableType

from trustd.ctl.connection import Connection, guest_path
from trustd.ctl.text import harmless

P = ParamSpec("P")

DEFAULT_SOCKET = "/run/trustd/trustd.sock"
ANSWER_IS_BAD = 3
"""Exit code where trustctl worked and what it found is not as it should be."""
BAD_DOCUMENT = 78
"""Exit code where a configuration or policy is invalid, as sysexits.h has it."""

_FILE_WIDTH = 160
"""Columns of a table that goes to no terminal."""


def socket_option(envvar: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option ``--socket``, which stands before or after the command's name."""
    return click.option(
        "--socket",
        type=click.Path(path_type=Path),
        envvar=envvar,
        help=f"The daemon's socket.  [env: TRUSTD_SOCKET; default: {DEFAULT_SOCKET}]",
    )


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command.

    Args:
        output: ``table``, ``plain`` or ``json``.
        color: ``auto``, ``always`` or ``never``.
    """

    connection: Connection
    output: str
    color: str

    @property
    def console(self) -> Console:
        """Where tables go. Give it no strings: it takes their brackets for markup."""
        fits = sys.stdout.isatty() or "COLUMNS" in os.environ
        return self._console(stderr=False, width=None if fits else _FILE_WIDTH)

    @property
    def messages(self) -> Console:
        """Where progress and remarks go, so that they never mix with an answer."""
        return self._console(stderr=True, width=None)

    def _console(self, *, stderr: bool, width: int | None) -> Console:
        return Console(
            stderr=stderr,
            force_terminal=True if self.color == "always" else None,
            no_color=True if self.color == "never" else None,
            width=width,
            highlight=False,
        )

    def guest_id(self, name: str) -> str:
        """The UUID of a guest by its UUID or name.

        Raises:
            Declined: there is none, or several have the name.
        """
        found: str = self.connection.get(guest_path(name))["summary"]["id"]
        return found

    def show(
        self,
        document: object,
        rows: Callable[[], Iterable[Sequence[str]]],
        table: Callable[[], RenderableType],
    ) -> None:
        """Show an answer in the form that was asked for.

        Args:
            document: the API's own.
            rows: the same for programs, a line each.
            table: the same for people.
        """
        if self.output == "json":
            # ASCII only: an escape sequence in a name must not reach a terminal.
            click.echo(json.dumps(document, indent=2))
        elif self.output == "plain":
            for row in rows():
                click.echo("\t".join(map(harmless, row)))
        else:
            self.console.print(table())


def with_session(command: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Give a command its session, from the options that every command has."""

    @socket_option()
    @click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "plain", "json"]),
        help="Table for people, tab-separated lines, or the API's document."
        "  [default: table on a terminal, else plain]",
    )
    @click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="Colour; NO_COLOR is respected.",
    )
    @click.pass_context
    @wraps(command)
    def run(
        ctx: click.Context,
        /,
        *args: Any,  # noqa: ANN401 - whatever the command declares
        socket: Path | None,
        output: str | None,
        color: str,
        **options: Any,  # noqa: ANN401 - whatever the command declares
    ) -> None:
        path = socket or ctx.find_root().params.get("socket") or Path(DEFAULT_SOCKET)
        chosen = output or ("table" if sys.stdout.isatty() else "plain")
        command(Session(Connection(path), chosen, color), *args, **options)

    return run
