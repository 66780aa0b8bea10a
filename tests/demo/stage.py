"""What the demo puts on the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

Document = dict[str, Any]

COLOURS = {"trusted": "green", "guarded": "yellow", "restricted": "dark_orange", "isolated": "red"}


class Stage:
    """A terminal, or a file where there is none: every line says when it was said."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._shown: dict[str, tuple[object, ...]] = {}

    @contextmanager
    def act(self, title: str) -> Iterator[None]:
        """A chapter, with the time it took."""
        self.console.print(f"\n[bold]{title}[/bold]")
        began = time.monotonic()
        yield
        self.say(f"[dim]that took {time.monotonic() - began:.1f} s[/dim]")

    def say(self, text: str) -> None:
        self.console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/dim]  {text}")

    def prove(self, what: str, value: str) -> None:
        """Something that was measured inside a guest, not told by trustd."""
        self.say(f"  [cyan]inside the guest:[/cyan] {what} [bold]{value}[/bold]")

    def follow(self, guest: Document) -> None:
        """A line when a guest's band or what is done to it changed."""
        actions = {(each["lever"], each["device"], each["status"]) for each in guest["actions"]}
        state = (guest["band"], frozenset(actions))
        if self._shown.get(guest["name"]) == state:
            return
        self._shown[guest["name"]] = state
        colour = COLOURS.get(guest["band"], "white")
        done = ", ".join(f"{lever} {device} {status}" for lever, device, status in sorted(actions))
        self.say(
            f"{guest['name']:6} trust {guest['trust']:.2f}"
            f"  [{colour}]{guest['band']:10}[/{colour}]  {done or 'nothing is taken away'}"
        )
        for driver in guest["drivers"][:2] if actions else ():
            self.say(f"         because {driver['text']}")

    def fleet(self, guests: list[Document]) -> None:
        """All guests as a table."""
        table = Table(box=None, padding=(0, 2))
        for title in ("guest", "role", "trust", "uncertainty", "band", "permissions lost"):
            table.add_column(title)
        for guest in guests:
            lost = sorted({action for each in guest["access"] for action in each["lost"]})
            colour = COLOURS.get(guest["band"], "white")
            table.add_row(
                guest["name"],
                ", ".join(guest["roles"]),
                f"{guest['trust']:.2f}",
                f"{guest['uncertainty']:.2f}",
                f"[{colour}]{guest['band']}[/{colour}]",
                ", ".join(lost) or "none",
            )
        self.console.print(table)

    def waiting(self, text: str) -> Callable[[], None]:
        """Say that something takes a while; the returned function ends it."""
        status = self.console.status(text)
        status.start()
        return status.stop
