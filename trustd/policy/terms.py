"""The smallest parts of a policy document: names, selectors, whom a rule means."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from trustd.documents import Strict

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,127}$")]
"""The name of a role, an action, an object set, a label, a band ..."""

GUEST = "guest"
"""The one type of subject that trustd measures."""

BUILT_IN_TYPES = frozenset(("volume", "network", "device"))
"""Types of object that every host has."""

OWN_ID = "$id"
"""In a ``match``: the identity itself instead of a label."""

LabelOrId = Annotated[str, Field(pattern=r"^(\$id|[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,127})$")]


def _listed(value: object) -> object:
    """One value where a list may stand."""
    return [value] if isinstance(value, str) else value


Texts = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
]
"""One text, or a list of them."""

Names = Annotated[
    tuple[Name, ...],
    Field(min_length=1),
    BeforeValidator(_listed, json_schema_input_type=Name | list[Name]),
]
"""One name, or a list of them."""


class Term(Strict):
    """What one label must be. Several conditions hold together."""

    one_of: Texts | None = Field(default=None, alias="in", description="one of these values")
    none_of: Texts | None = Field(
        default=None, alias="not", description="none of these values; absent is fine"
    )
    present: bool | None = Field(default=None, description="whether there is such a label at all")


def _term(value: object) -> object:
    """``web`` and ``[prod, stage]`` are short for ``{in: ...}``."""
    return {"in": value} if isinstance(value, str | list | tuple) else value


Select = dict[Name, Annotated[Term, BeforeValidator(_term, json_schema_input_type=Texts | Term)]]
"""Labels that must all fit; an empty one fits everything."""


class SubjectRef(Strict):
    """Whom a rule means: by identity, by labels, or both."""

    type: Name = GUEST
    id: Texts | None = Field(default=None, description="a guest's UUID, a user's id")
    select: Select | None = None
