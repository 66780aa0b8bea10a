"""Whatever changes something can be tried first, and every command has every form."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import click
import pytest

from trustd.ctl import COMMANDS

READS = frozenset(
    [
        "audit export",
        "audit replay",
        "audit show",
        "audit verify",
        "can-i",
        "config show",
        "evidence list",
        "exceptions",
        "explain",
        "gate list",
        "guest",
        "guests",
        "incidents",
        "notify list",
        "notify test",
        "objects",
        "policy check",
        "policy diff",
        "policy schema",
        "policy show",
        "policy test",
        "replay",
        "status",
        "storage",
        "timeline",
        "top",
        "why",
    ]
)
"""Commands that change nothing, on the host or in a file; `notify test` is a trial itself."""


def leaves(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for part, below in command.commands.items():
            yield from leaves(f"{name} {part}", below)
    else:
        yield name, command


EVERY = {
    name: command
    for top, module in COMMANDS.items()
    for name, command in leaves(top, import_module(module).command)
}


def test_every_write_has_a_dry_run() -> None:
    """A command is one that changes nothing, or it can say what it would change."""
    dry = {
        name
        for name, command in EVERY.items()
        if any("--dry-run" in parameter.opts for parameter in command.params)
    }
    assert EVERY.keys() - READS == dry
    assert EVERY.keys() >= READS


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"audit export", "policy schema"}))
def test_every_command_has_every_form(name: str) -> None:
    """Table, plain and JSON are a choice of each command that shows something; the two that are
    left out write one form for another program."""
    output = [each for each in EVERY[name].params if "--output" in each.opts]
    assert output
    assert isinstance(output[0].type, click.Choice)
    assert list(output[0].type.choices) == ["table", "plain", "json"]
