"""What an explanation of now and one of then have in common."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from trustd.ctl.connection import Document
from trustd.ctl.tables import cell
from trustd.ctl.text import setting

_DONE = {
    "applied": "done",
    "held": "in force",
    "would-apply": "would be done",
    "restored": "given back",
    "withheld": "held back, for too many guests fell at once",
    "yielded": "left to whoever changed it meanwhile",
}


def sections(head: Iterable[str], parts: Iterable[tuple[str, Iterable[str]]]) -> RenderableType:
    """Sentences, and below them others under their titles; one without any is left out."""
    shown: list[RenderableType] = [cell(line) for line in head]
    for title, lines in parts:
        told = [cell(line) for line in lines]
        if told:
            shown += [Text(f"\n{title}", style="bold"), *map(_indented, told)]
    return Group(*shown)


def deed(action: Document) -> str:
    """An action and what became of it, in a sentence.

    >>> deed({"lever": "nic-link", "device": "52:54:00:00:00:01", "setting": {"link": "down"},
    ...       "status": "held", "error": "", "because": "band isolated"})
    'nic-link on 52:54:00:00:00:01, link=down: in force, because band isolated.'
    """
    device = f" on {action['device']}" if action["device"] else ""
    wanted = setting(action["setting"])
    how = f", {wanted}" if wanted else ""
    became = _DONE.get(action["status"], action["status"])
    trouble = f" ({action['error']})" if action["error"] else ""
    return f"{action['lever']}{device}{how}: {became}{trouble}, because {action['because']}."


def _indented(line: Text) -> RenderableType:
    return Padding(line, (0, 0, 0, 2), expand=False)
