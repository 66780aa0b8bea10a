"""Text that a guest's owner chose, made fit to travel."""

from __future__ import annotations


def legible(text: str, most: int) -> str:
    r"""Text that UTF-8 can carry, of bounded length.

    Args:
        text: anything; lone surrogates become question marks.
        most: characters to keep; what was longer ends in an ellipsis.

    >>> legible("web\udcff", 10), legible("a" * 9, 4)
    ('web?', 'aaa…')
    """
    if len(text) > most:
        text = f"{text[: most - 1]}…"
    return text.encode("utf-8", "replace").decode("utf-8")


def label_value(text: str, most: int = 128) -> str:
    r"""A label's value as the text format wants it, without its quotes.

    Control characters, which a parser may accept and a terminal obeys, are shown
    by their escapes.

    >>> print(label_value('a"b\nc\x1b'))
    a\"b\nc\\x1b
    """
    shown = "".join(
        char if char.isprintable() or char == "\n" else ascii(char)[1:-1]
        for char in legible(text, most)
    )
    return shown.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
