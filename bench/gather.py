"""Gather the figures in build/bench into the tables of docs/benchmarks.md and README.md.

    python -m bench.gather

Each row names the target that measures it. What was not measured here keeps what the page said.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.results import DIRECTORY
from bench.rows import FRONT, ROWS, Found, Row
from bench.tables import TABLES

PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- figures{}: written by make bench -->", "<!-- end of figures -->"
"""Around each table; those of one measurement have its name."""
HEAD = "| what | goal | measured | by |\n|---|---|---|---|\n"
FRONT_HEAD = "| | | repeat it |\n|---|---|---|\n"
_UNMEASURED = "not measured"

Figures = Mapping[str, Found]
"""By the name of the measurement, its figures by their names."""


def read(directory: Path) -> Figures:
    """Every measurement in a directory."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in directory.glob("*.json")}


def table(rows: Sequence[Row], figures: Figures, before: str = "", head: str = HEAD) -> str:
    """The table; a row whose figures are not there is what it was before.

    >>> row = Row("a thing", "2 ms", "thing", "{time_ms:.1f} ms")
    >>> print(table([row], {"thing": {"time_ms": 1.25}}).splitlines()[-1])
    | a thing | 2 ms | 1.2 ms | `make bench` |
    """
    lines = [_line(row, figures.get(row.name, {}), before) for row in rows]
    return head + "".join(f"{line}\n" for line in lines)


def _line(row: Row, found: Found, before: str) -> str:
    if measured := row.line(found):
        return measured
    kept = next((line for line in before.splitlines() if line.startswith(row.begin)), None)
    return kept or f"{row.begin}{_UNMEASURED} | `make {row.target}` |"


def machine() -> str:
    """What everything was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return (
        f"**Machine.** {os.cpu_count()} processors ({model[1] if model else platform.machine()}), "
        f"{memory:.0f} GiB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, guests under emulation."
    )


def gathered(page: str, figures: Figures) -> str:
    """The page with the figures between its marks.

    Raises:
        ValueError: it lacks a mark.
    """
    page = _with(page, "", f"{machine()}\n\n{table(ROWS, figures, between(page))}")
    for name, write in TABLES.items():
        if name in figures:
            page = _with(page, name, f"{write(figures[name])}\n")
    return page


def fronted(readme: str, figures: Figures) -> str:
    """The README with the figures between its marks.

    Raises:
        ValueError: it lacks a mark.
    """
    return _with(readme, "", table(FRONT, figures, between(readme), FRONT_HEAD))


def between(page: str, name: str = "") -> str:
    """What stands between the marks of a table."""
    return _parts(page, name)[1]


def _with(page: str, name: str, text: str) -> str:
    before, _, after = _parts(page, name)
    return f"{before}\n{text}{after}"


def _parts(page: str, name: str) -> tuple[str, str, str]:
    mark = BEGIN.format(f" of {name}" if name else "")
    begin = page.index(mark) + len(mark)
    end = page.index(END, begin)
    return page[:begin], page[begin:end], page[end:]


def main() -> int:
    """Write the tables anew from what has been measured here."""
    figures = read(DIRECTORY)
    PAGE.write_text(gathered(PAGE.read_text("utf-8"), figures), "utf-8")
    README.write_text(fronted(README.read_text("utf-8"), figures), "utf-8")
    lacking = sorted({row.name for row in ROWS} - figures.keys())
    print(
        f"{PAGE.name}: {len(ROWS)} rows" + (f"; not measured: {', '.join(lacking)}" * bool(lacking))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
