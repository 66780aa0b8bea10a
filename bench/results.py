"""Where figures go: printed, and one flat JSON object a measurement in build/bench."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

DIRECTORY = Path(__file__).parents[1] / "build/bench"


def write(name: str, figures: Mapping[str, float | int | str]) -> None:
    """Print figures, and keep them as ``build/bench/NAME.json``; units are in the names."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    (DIRECTORY / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    width = max(map(len, figures))
    for figure, value in figures.items():
        shown = f"{value:,.3f}" if isinstance(value, float) else value
        print(f"{figure:{width}}  {shown}", flush=True)
