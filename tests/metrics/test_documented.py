"""The page of metrics is complete."""

from __future__ import annotations

import re
from pathlib import Path

from trustd.metrics import Meters
from trustd.metrics.guests import FAMILIES
from trustd.metrics.raw import FAMILIES as RAW
from trustd.model import OutcomeStatus

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_every_metric_has_a_heading_and_no_other_has() -> None:
    """Whoever reads the page knows every metric, and none that does not exist."""
    own = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in Meters("1.2.3").registry.collect()
        if family.name.startswith("trustd_")
    }
    guests = {family.name for family in FAMILIES}
    headings = re.findall(r"^### (.*)$", PAGE.read_text(), re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == own | guests | {"trustd_guest_FEATURE_UNIT"}


def test_every_raw_metric_is_named() -> None:
    """Each metric of the raw telemetry, and each of its labels, stands on the page."""
    text = PAGE.read_text()
    words = {family.name for family in RAW}
    words |= {"domain", "uuid", "source_file", "source_bridge", "target_device"}
    assert not {word for word in words if f"`{word}`" not in text}


def test_every_outcome_is_named() -> None:
    """Each value of the label stands on the page."""
    text = PAGE.read_text()
    assert not {status for status in OutcomeStatus if f"`{status}`" not in text}
