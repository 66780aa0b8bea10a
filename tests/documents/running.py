"""Typing a page's commands into a shell, and comparing what they say with what is shown."""

from pathlib import Path

from tests.documents.blocks import blocks, commands
from tests.documents.compare import alike
from tests.documents.typing_in import Shell

BAD_ANSWER = 3
"""What trustctl ends with where it worked and the answer is bad, as the pages want to show."""


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
            status, said = shell.run(command.typed)
            told = f"{command.place}: {command.typed}\n{said}"
            well = (0, BAD_ANSWER) if command.typed.startswith("trustctl ") else (0,)
            assert status in well, f"ended with {status}: {told}"
            if told_too:
                shown = "\n".join(command.shown)
                assert alike(command.shown, said), f"{told}\nis not as shown:\n{shown}"
            count += 1
    return count
