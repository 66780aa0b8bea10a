"""Typing a page's commands into a shell, and comparing what they say with what is shown."""

import time
from collections.abc import Sequence
from pathlib import Path

from tests.documents.blocks import blocks, commands
from tests.documents.compare import alike
from tests.documents.typing_in import Shell

BAD_ANSWER = 3
"""What trustctl ends with where it worked and the answer is bad, as the pages want to show."""

LOOKS = tuple(
    f"trustctl {each}"
    for each in ("status", "guest", "explain", "why", "incidents", "audit verify")
)
"""Commands that change nothing: on a busy machine a reader looks once more a little later."""
PATIENCE, PAUSE = 60.0, 0.5


def run(page: Path, shell: Shell) -> int:
    """Type the page's commands in their order; return how many there were.

    Blocks that are run elsewhere are left out. In a block that shows any output, what is not shown
    must not be said.
    """
    count = 0
    for block in blocks(page):
        dialogue = [] if block.elsewhere else list(commands(block))
        told_too = any(command.shown for command in dialogue)
        for command in dialogue:
            status, said = _typed(shell, command.typed, command.shown)
            told = f"{command.place}: {command.typed}\n{said}"
            well = (0, BAD_ANSWER) if command.typed.startswith("trustctl ") else (0,)
            assert status in well, f"ended with {status}: {told}"
            if told_too:
                shown = "\n".join(command.shown)
                assert alike(command.shown, said), f"{told}\nis not as shown:\n{shown}"
            count += 1
    return count


def _typed(shell: Shell, typed: str, shown: Sequence[str]) -> tuple[int, str]:
    """What a command ends with and says; of one that looks, as soon as it says what is shown."""
    end = time.monotonic() + PATIENCE
    while True:
        status, said = shell.run(typed)
        looks = bool(shown) and typed.startswith(LOOKS)
        if not looks or alike(shown, said) or time.monotonic() > end:
            return status, said
        time.sleep(PAUSE)
