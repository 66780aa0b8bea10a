"""Every lever has its page, and every remedy its row."""

from pathlib import Path

from trustd.enforce import standard_actuators
from trustd.enforce.remedies import REMEDIES

ERRANDS = {"capture", "hook", "alert"}
"""What is done once, and is no lever."""
ACTIONS = Path(__file__).parents[2] / "docs" / "actions"


def test_every_lever_has_a_page_and_no_page_is_without_a_lever() -> None:
    """Whoever sees an action can look up what it does, costs and leaves behind."""
    pages = {page.stem for page in ACTIONS.glob("*.md")} - {"index"}
    assert pages == {lever.name for lever in standard_actuators()} | ERRANDS
    for page in pages:
        text = (ACTIONS / f"{page}.md").read_text("utf-8")
        assert text.startswith(f"# {page}\n")
        for heading in ("## How exact", "## Undo, and what equality means", "## What bites"):
            assert heading in text


def test_every_permission_that_is_made_untrue_has_a_row() -> None:
    """The table says which lever makes which permission untrue."""
    rows = (ACTIONS / "index.md").read_text("utf-8").splitlines()
    for (kind, word), remedies in REMEDIES.items():
        (row,) = [each for each in rows if each.startswith(f"| {kind} | `{word}` |")]
        lever = remedies[0].lever
        assert lever in row
