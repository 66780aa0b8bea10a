"""The scoring engine measured: ``make bench-scoring DATA=FOLDER``.

Writes ``build/bench/scoring.json``, one flat object of figures with their units in
the names, and curves beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import attacks, cost, fleet, labelled, nab, windows

PARTS = ("cost", "labelled", "nab", "engine", "every", "peers", "windows", "ticks")
SAMPLE = 16
"""Guests of the trace for the peers that take milliseconds a sample."""


def main() -> int:
    """Measure the chosen parts; figures of parts that are left out are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("TRUSTD_BENCH_DATA"),
        help="the folder of telemetry  [env: TRUSTD_BENCH_DATA]",
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    if options.data is None:
        print("skipped: name the folder of telemetry with --data or TRUSTD_BENCH_DATA")
        return 0
    if not options.data.is_dir():
        print(f"no telemetry at {options.data}: name its folder with --data", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    target = options.out / "scoring.json"
    figures: dict[str, float | str] = json.loads(target.read_text()) if target.exists() else {}
    figures["machine"] = f"{platform.machine()} {platform.python_version()}"
    measure: dict[str, Callable[[], dict[str, float]]] = {
        "cost": cost.measure,
        "labelled": lambda: labelled.measure(options.data / "labelled"),
        "nab": lambda: nab.measure(options.data / "nab"),
        "engine": lambda: engine(options.data, options.out),
        "every": lambda: attacks.every_figures(attacks.load(options.data)),
        "peers": lambda: attacks.peer_figures(attacks.load(options.data), SAMPLE),
        "windows": lambda: cadences(options.data, (300.0, 60.0)),
        "ticks": lambda: cadences(options.data, (5.0,)),
    }
    for part in options.parts:
        begun = time.monotonic()
        print(f"measuring {part} ...", flush=True)
        found = measure[part]()
        for name, value in found.items():
            print(f"  {name} {value:.4g}", flush=True)
        print(f"  ({time.monotonic() - begun:.0f} s)", flush=True)
        # A figure that could not be measured is left out: JSON has no word for it.
        figures |= {name: value for name, value in found.items() if math.isfinite(value)}
        target.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    if "peers" in options.parts:
        from bench import figures as drawn  # noqa: PLC0415 - matplotlib is wanted here only

        drawn.compare(figures, options.out / "scoring-peers.svg")
    return 0


def engine(data: Path, out: Path) -> dict[str, float]:
    """The injection protocol, with its figures drawn."""
    found, points = attacks.engine_figures(attacks.load(data))
    from bench import figures  # noqa: PLC0415 - matplotlib is wanted here only

    figures.shapes(points, out / "scoring-shapes.svg")
    return found


def cadences(data: Path, seconds: tuple[float, ...]) -> dict[str, float]:
    """The same guests at several lengths of a tick; half a million ticks at 5 s."""
    trace = attacks.load(data)
    guests = range(1, trace.values.shape[1], 6)
    return windows.compare(fleet.build(trace, guests, (1, 2)), seconds)


if __name__ == "__main__":
    sys.exit(main())
