"""The table of figures says what the targets measure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import gather, rows
from bench.stages import AFTER, STAGES

ROOT = Path(__file__).parents[2]


def targets():
    """By target of the Makefile, the module of ``bench`` that it runs; of ``make bench``, none."""
    recipe = r"^([a-z-]+):.*\n(?:\t.*\n)*?\t\$\(PYTHON\) -m bench(?:\.(\w+))?\b"
    return dict(re.findall(recipe, (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def lines(page):
    return [line for line in gather.between(page).splitlines() if line.startswith("| ")][1:]


def marks(name=""):
    return f"{gather.BEGIN.format(name)}\n{gather.END}\n"


@pytest.mark.parametrize("row", [*rows.ROWS, *rows.FRONT], ids=lambda row: row.what)
def test_every_row_names_a_target_and_a_measurement_that_exist(row):
    """Whoever doubts a figure can run the target beside it: it is there and writes it."""
    assert targets()[row.target.split()[0]] in ("", row.name)
    source = (ROOT / f"bench/{row.name}.py").read_text("utf-8")
    assert re.search(rf'\bwrite\(\s*"{row.name}"|"{row.name}\.json"', source)


def test_every_target_that_measures_runs_a_module():
    """No target of the Makefile runs a measurement that is gone."""
    assert targets()["bench"] == ""
    for target, module in targets().items():
        assert (ROOT / "bench" / (f"{module}.py" if module else "__main__.py")).is_file(), target


def test_the_page_has_every_row_and_no_other():
    """The page in the project was gathered with the rows that there are now."""
    shown = [line.split(" | ")[0].removeprefix("| ") for line in lines(gather.PAGE.read_text())]
    assert shown == [row.what for row in rows.ROWS]


def test_the_readme_tells_what_the_page_of_figures_tells():
    """Each of the README's rows is there, and each of its figures stands in a row of the page that
    the same target wrote, or, of the scoring, in the trust model."""
    readme = gather.README.read_text("utf-8")
    shown = lines(readme)
    assert [line.split(" | ")[0].removeprefix("| ") for line in shown] == [
        row.what for row in rows.FRONT
    ]
    page, scoring = lines(gather.PAGE.read_text("utf-8")), ROOT / "docs/trust-model.md"
    for row, line in zip(rows.FRONT, shown, strict=True):
        told = "\n".join(each for each in page if each.endswith(f"| `make {row.target}` |"))
        found = line.removeprefix(row.begin).rpartition(" | ")[0]
        known = numbers(told or scoring.read_text("utf-8"))
        assert numbers(found) <= known | {"95", "100"}, line
        assert numbers(found)


def numbers(text):
    return set(re.findall(r"\d[\d.,]*\d|\d", text))


def test_both_pages_are_written_of_the_same_figures():
    """One measurement changes the page of figures and the README alike, and leaves the rest."""
    page, readme = f"page\n{marks()}", f"readme\n{marks()}end\n"
    peers = ("trustd", "pycasbin", "cedarpy", "regopy")
    figures = {"decide": {f"{name}_us": 7.5 for name in peers}}
    for text in (gather.gathered(page, figures), gather.fronted(readme, figures)):
        assert "| 7.5 µs; pycasbin 8 µs, cedarpy 8 µs, rego-cpp 8 µs" in text
    once = gather.fronted(readme, figures)
    assert gather.fronted(once, {}) == once
    assert once.startswith("readme\n")
    assert once.endswith("end\n")


def test_a_day_is_not_told_as_a_month():
    """A soak of less than 30 days leaves what the page said of the month, and one of 30 is told."""
    (row,) = [row for row in rows.ROWS if row.name == "soak"]
    before = f"{row.begin}as it was | `make soak` |"
    figures = dict.fromkeys(row.fields, 3)
    assert gather.table([row], {"soak": {**figures, "days": 1.0}}, before).endswith(f"{before}\n")
    assert "; 30 days, 3 guests |" in gather.table(
        [row], {"soak": {**figures, "days": 30.0}}, before
    )


def test_what_comes_after_publishing_are_stages():
    """No stage is renamed without what is counted up to published assessments following it."""
    assert set(AFTER) < STAGES.keys()
    assert {"reply", "assessments", "decisions"} <= STAGES.keys() - AFTER


def test_what_was_not_measured_here_stays_as_it_was():
    """Gathering after one target alone leaves the figures of all others on the page."""
    parts = ("nic_link", "disk_throttle", "cpu_quota", "nic_filter")
    first = {"enforce": {f"{lever}_apply_ms_median": 7.4 for lever in parts}}
    page = f"before\n{marks()}after\n"
    once = gather.gathered(page, first)
    assert "| link 7 ms, throttle 7 ms, quota 7 ms, filter 7 ms | `make bench-enforce` |" in once
    twice = gather.gathered(once, {"enforce": {}})
    assert twice == once
    assert twice.startswith("before\n")
    assert twice.endswith("\nafter\n")
    assert once.count("not measured") == len(rows.ROWS) - 1


def test_the_table_of_one_measurement_says_what_never_came():
    """What a peer did not manage in the whole run is shown as such, and not left out or as zero."""
    page = f"{marks()}text\n{marks(' of peers')}end\n"
    lost = {"trustd_frozen_lost": 0, "collectd_frozen_lost": 145}
    figures = {"peers": {**lost, "libvirt_exporter_frozen_lost": "never"}}
    shown = gather.between(gather.gathered(page, figures), "peers")
    (lost, _) = [line for line in shown.splitlines() if line.startswith("| of them lost ")]
    assert lost == "| of them lost | **0** | never | **145** |"
    assert gather.gathered(page, {}).endswith(f"text\n{marks(' of peers')}end\n")


def test_the_page_has_the_tables_of_single_measurements():
    """Each has its marks on the page, and what is between them has all of its rows."""
    page = gather.PAGE.read_text("utf-8")
    for name, write in gather.TABLES.items():
        rows = [line.split(" | ")[0] for line in write({}).splitlines()]
        shown = [line.split(" | ")[0] for line in gather.between(page, name).strip().splitlines()]
        assert shown == rows, name


def test_a_page_without_marks_is_not_written():
    """A page that somebody rewrote is left alone, rather than overwritten as a whole."""
    with pytest.raises(ValueError, match="substring not found"):
        gather.gathered("nothing\n", {})
