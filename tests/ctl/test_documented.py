"""The page of trustctl is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from trustd.ctl import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "trustctl.md").read_text()
EVERYWHERE = {"--socket", "-o", "--output", "--color"}


def sections() -> dict[str, str]:
    """The text under each heading."""
    parts = re.split(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options(command: click.Command) -> Iterator[str]:
    """The options of a command and of those below it, but for those that every command has."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not EVERYWHERE & {*parameter.opts}:
            yield from parameter.opts
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from options(below)


def test_every_command_has_a_heading_and_no_other_has() -> None:
    """Whoever reads the page knows every command, and none that does not exist."""
    assert sorted(re.findall(r"^## (.*)$", PAGE, re.MULTILINE)) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_named_where_its_command_is(name: str) -> None:
    """Each option of a command and of its parts stands under its heading, and so does each part;
    no option stands there that it has not."""
    command, text = import_module(COMMANDS[name]).command, sections()[name]
    known = set(options(command))
    assert not {option for option in known if option not in text}
    said = set(re.findall(r"^`(--[a-z-]+)", text, re.MULTILINE))
    assert said <= known
    if isinstance(command, click.Group):
        assert not {part for part in command.commands if f"{name} {part}" not in text}
