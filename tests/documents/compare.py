"""Whether a program said what a page shows, up to numbers, spacing and what is left out."""

import re
from collections.abc import Sequence

ELLIPSIS = "…"
# Escape sequences of a terminal; identities; numbers with signs, points, separators.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
IDENTITY = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
NUMBER = re.compile(r"\d[\d.,:]*\d|\d")
SPACE = re.compile(r"\s+")
RULE = re.compile("─+")


def alike(shown: Sequence[str], said: str) -> bool:
    r"""Say whether ``said`` is what is shown.

    Numbers stand for any number, an ellipsis for anything within its line, a line that is
    nothing but an ellipsis for any lines; runs of spaces and empty lines do not count.

    >>> alike(["trust 0.93  since 10:15", "…", "end"], "trust 0.7 since 9:00\na\nb\nend\n")
    True
    >>> alike(["web-1 … isolated"], "web-1   0.05   trusted\n")
    False
    >>> alike(["one"], "one\ntwo\n")
    False
    """
    pattern = "".join(map(_line, filter(str.strip, shown)))
    return re.fullmatch(pattern, _plain(said)) is not None


def _line(shown: str) -> str:
    if shown.strip() == ELLIPSIS:
        return r"(?:[^\n]*\n)*"
    parts = _plain(shown).rstrip("\n").split(ELLIPSIS)
    return "[^\n]*".join(map(re.escape, parts)) + "\n"


def _plain(text: str) -> str:
    """Return the text with numbers and identities made alike, one space for many.

    >>> _plain("  a  1,024 kB\\n\\nb\\n")
    'a 0 kB\\nb\\n'
    """
    text = RULE.sub("─", NUMBER.sub("0", IDENTITY.sub("0", ESCAPES.sub("", text))))
    lines = (SPACE.sub(" ", line).strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)
