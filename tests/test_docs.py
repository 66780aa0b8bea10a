"""The documents are complete: what can be set, run or measured has its place in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from trustd.config import Settings

DOCS = Path(__file__).parent.parent / "docs"


def headings(page):
    return set(re.findall(r"^#+ (.*)$", (DOCS / page).read_text(), re.MULTILINE))


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_setting_has_a_heading_and_no_other_has():
    """Whoever reads the page of settings knows all of them, and none that does not exist."""
    assert headings("settings.md") - {"Settings"} == set(settings(Settings))
