"""What the tutorial shows is what happens, on a throw-away hypervisor with real guests."""

import re
from pathlib import Path

import pytest

from tests.documents.running import run
from tests.documents.typing_in import Shell

PROJECT = Path(__file__).parents[2]


@pytest.mark.lab
@pytest.mark.timeout(900)
def test_every_command_of_the_tutorial_does_what_is_shown(shell: Shell) -> None:
    """Typed in their order, all commands of the tutorial succeed and say what the page shows."""
    assert run(PROJECT / "docs/tutorial.md", shell) >= 25


def test_the_playground_is_a_make_target() -> None:
    """``make playground`` prepares as the demo does, and opens the shell that the tests use."""
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    recipe = re.search(r"^playground:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    assert [line.lstrip("\t@") for line in recipe[1].splitlines()] == [
        "tools/setup.sh demo",
        "$(PYTHON) -m tests.lab.playground",
    ]
