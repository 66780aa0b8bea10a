"""The page at the root: its files, served as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
"""What a browser lets the page do. With the last two no script can turn text into markup."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_ROOT = "page.html"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the page.

    Args:
        path: where it is served.
    """

    path: str
    content_type: str
    body: bytes


def parts() -> Iterator[Part]:
    """Every file that a browser asks for; licences and lists are not served."""
    static = files("trustd.api").joinpath("static")
    yield from _within(static, "/page/")


def _within(folder: Traversable, place: str) -> Iterator[Part]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _within(entry, f"{place}{entry.name}/")
            continue
        content_type = _TYPES.get(entry.name.rpartition(".")[2])
        if content_type is not None:
            path = "/" if entry.name == _ROOT else place + entry.name
            yield Part(path, content_type, entry.read_bytes())
