"""The page of the API is complete."""

from __future__ import annotations

import re
from pathlib import Path

from trustd.api.query import SORTS
from trustd.api.routes import ROUTES
from trustd.api.views import gap_reason
from trustd.model import Gap, GapReason

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_every_address_has_a_heading_and_no_other_has() -> None:
    """Whoever reads the page knows every address, and none that does not exist."""
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    routes = [f"{route.method} {route.path}" for route in ROUTES]
    assert sorted(headings) == sorted([*routes, "GET /openapi.json", "GET /"])


def test_every_parameter_and_reason_is_named() -> None:
    """Each parameter, order and reason for a missing sample stands on the page."""
    words = {parameter.name for route in ROUTES for parameter in route.parameters}
    words |= {sort for sort in SORTS if not sort.startswith("-")}
    words |= {gap_reason(Gap(reason)) for reason in GapReason if reason is not GapReason.PRESENT}
    assert not {word for word in words if f"`{word}`" not in PAGE}
