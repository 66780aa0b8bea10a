"""The page of trustctl is complete."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import click

from trustd.ctl import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "trustctl.md").read_text()


def test_every_command_has_a_heading_and_no_other_has() -> None:
    """Whoever reads the page knows every command, and none that does not exist."""
    assert sorted(re.findall(r"^## (.*)$", PAGE, re.MULTILINE)) == sorted(COMMANDS)


def test_every_option_is_named() -> None:
    """Each option of each command stands on the page."""
    options = {
        option
        for module in COMMANDS.values()
        for parameter in import_module(module).command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    assert not {option for option in options - {"--output"} if option not in PAGE}
