"""One address of the API, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp.typedefs import Handler


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an address.

    Args:
        place: ``query``, ``path`` or ``header``.
        schema: its JSON schema.
        needed: whether a request without it is refused.
    """

    name: str
    place: str
    text: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One address.

    Args:
        answer: the document's shape, or the media type of something else.
        also: other status codes that carry the document.
        problems: status codes that carry a problem document.
        endless: whether the answer has no end.
        method: ``GET``, to which ``HEAD`` is answered too, or another one.
        body: the shape of the document that a request carries; None for none.
        tagged: whether the answer has an ETag, and a reader who has it is not sent it again.
    """

    path: str
    name: str
    handler: Handler
    summary: str
    answer: type | str
    parameters: tuple[Parameter, ...] = ()
    also: tuple[int, ...] = ()
    problems: tuple[int, ...] = ()
    endless: bool = False
    method: str = "GET"
    body: type | None = None
    tagged: bool = False


GUEST = (
    Parameter(
        "guest", "path", "The guest's UUID or, where it is the only one, its name.", needed=True
    ),
)
