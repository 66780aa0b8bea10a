"""The fenced blocks of a Markdown page, and the commands in those that a shell can run.

A comment line before a block says that its commands are not run where the others are, and which
named test or check runs them instead: ``<!-- run by: tests/e2e/test_demo.py::test_name -->``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?:<!-- run by: (?P<elsewhere>[^\n]*?) -->\n+)?"
    r"(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
PROMPT = re.compile(r"^[$#] ")
HERE = re.compile(r"<<'?(\w+)'?$")
CONTINUED = re.compile(r"^>( |$)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: ``line`` is that of its first line of text, ``elsewhere`` who runs it."""

    page: Path
    line: int
    language: str
    text: str
    elsewhere: str = ""

    @property
    def place(self) -> str:
        """Return the page and line, for people."""
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed, and the lines that are shown below it."""

    place: str
    typed: str
    shown: tuple[str, ...] = ()


def blocks(page: Path) -> list[Block]:
    """Return all fenced blocks of a page, in their order, without their indentation."""
    text = page.read_text("utf-8")
    found = []
    for match in FENCE.finditer(text):
        indent = len(match["indent"])
        lines = [line[indent:] for line in match["text"].splitlines(keepends=True)]
        number = text.count("\n", 0, match.start("text")) + 1
        found.append(
            Block(page, number, match["language"], "".join(lines), match["elsewhere"] or "")
        )
    return found


def commands(block: Block) -> Iterator[Command]:
    r"""Yield what a ``console`` or ``sh`` block types, and what it shows.

    In ``console`` a command follows a prompt (``$ `` or ``# ``) and goes on in lines that begin
    with ``> ``; all else is output. ``sh`` has commands only.

    >>> block = Block(Path("p.md"), 7, "console", "# a \\\n>   b\nx\n# true\n")
    >>> [(each.place, each.typed, each.shown) for each in commands(block)]
    [('p.md:7', 'a \\\n  b', ('x',)), ('p.md:10', 'true', ())]
    >>> block = Block(Path("p.md"), 7, "sh", "cat <<E\nx\n\nE\n\n# nothing\na \\\n  b\n")
    >>> [(each.place, each.typed) for each in commands(block)]
    [('p.md:7', 'cat <<E\nx\n\nE'), ('p.md:13', 'a \\\n  b')]
    """
    if block.language == "sh":
        yield from _script(block)
    elif block.language == "console":
        yield from _dialogue(block)


def _script(block: Block) -> Iterator[Command]:
    lines = iter(enumerate(block.text.splitlines(), block.line))
    for number, line in lines:
        typed = [line]
        document = HERE.search(line)
        while typed[-1].endswith("\\") or (document and typed[-1] != document[1]):
            typed.append(next(lines)[1])
        if line.strip() and not line.startswith("#"):
            yield Command(f"{block.page.name}:{number}", "\n".join(typed))


def _dialogue(block: Block) -> Iterator[Command]:
    typed: list[str] = []
    shown: list[str] = []
    began = block.line
    for number, line in enumerate(block.text.splitlines(), block.line):
        if PROMPT.match(line):
            if typed:
                yield Command(f"{block.page.name}:{began}", "\n".join(typed), tuple(shown))
            typed, shown, began = [line[2:]], [], number
        elif CONTINUED.match(line) and typed and not shown:
            typed.append(line[2:])
        else:
            shown.append(line)
    if typed:
        yield Command(f"{block.page.name}:{began}", "\n".join(typed), tuple(shown))
