"""Hostile names are data: in every output they are visible text that does nothing."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.api.conftest import Served, served
from tests.api.fleets import AT, FEATURES, assessed, fleet, guest_id, narrowed
from tests.hostile.names import NAMES
from tests.incidents.test_report import document as incident
from tests.notify.conftest import notice
from trustd.ctl import audit, main
from trustd.ctl.incident_report import html, markdown
from trustd.daemon.journal import render
from trustd.metrics import Exposition, Meters, RawSeries
from trustd.model import Assessment, Driver, Finding, GuestReading, GuestState, Reading, Severity
from trustd.notify.alertmanager import _alerts
from trustd.notify.journald import entry
from trustd.notify.text import cleaned
from trustd.notify.text import document as told

__all__ = ["served"]

FORMS = ("table", "plain", "json")
LONGEST = 1100
"""Characters of one name that any output may hold."""

every_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


def hostile(name: str, number: int) -> Assessment:
    """A guest that has a name wherever one can stand."""
    finding = Finding(
        guest_id(number), name, Severity.MAJOR, "x", name, AT, name, facts={name: name}
    )
    return narrowed(
        name,
        number,
        labels={name: name, "app": name},
        drivers=(Driver(name, 1.0, name),),
        findings=(finding,),
    )


def is_shown(text: str) -> bool:
    """Whether a terminal only shows it: no control, no escape, no change of direction."""
    return all(char.isprintable() or char in "\n\t" for char in text)


async def trustctl(served: Served, *arguments: str) -> Result:
    """Run trustctl beside the loop that answers it."""
    command = ["--socket", str(served.socket_path), *arguments]
    environment = {"COLUMNS": "300", "NO_COLOR": "1"}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, main, command)


@pytest.mark.parametrize("form", FORMS)
async def test_lists_have_a_line_a_guest(served: Served, form: str) -> None:
    """However guests are called, a list shows each in its own line, with its own fields."""
    guests = [hostile(name, number) for number, name in enumerate(NAMES.values(), start=1)]
    served.publish(fleet(*guests))
    for arguments in (("guests",), ("top", "--ticks", "1")):
        running = asyncio.create_task(trustctl(served, *arguments, "-o", form))
        while arguments[0] == "top" and not running.done():
            served.publish(fleet(*guests))
            await asyncio.sleep(0.02)
        ran = await running
        assert ran.exit_code == 0, ran.output
        assert is_shown(ran.output)
        if form == "plain":
            lines = [line.split("\t") for line in ran.stdout.splitlines() if line]
            assert {len(line) for line in lines} == {11}
            assert sorted(line[0] for line in lines) == sorted(guest.id for guest in guests)
        elif form == "json":
            assert ran.stdout.isascii()
            assert len(json.loads(ran.stdout)["guests"]) == len(guests)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("command", ["guest", "explain"])
async def test_one_guest_is_shown_harmlessly(served: Served, command: str, form: str) -> None:
    """Every command about one guest, in every form: no control character, no second line where
    there is one, nothing without bound."""
    names = ["tame", *NAMES.values()]
    served.publish(fleet(*(hostile(name, number) for number, name in enumerate(names, start=1))))
    tame = await trustctl(served, command, guest_id(1), "-o", form)
    for number, name in enumerate(names, start=1):
        ran = await trustctl(served, command, guest_id(number), "-o", form)
        assert ran.exit_code == 0, (name, ran.output)
        assert is_shown(ran.output), name
        assert not re.search(r"x{1100}", ran.output)
        if form == "json":
            assert ran.stdout.isascii()
            json.loads(ran.stdout)
        if form == "plain":
            assert fields(ran) == fields(tame), name


def fields(ran: Result) -> list[tuple[str, int]]:
    """What each line speaks of, and how many fields it has."""
    lines = [line.split("\t") for line in ran.stdout.split("\n")]
    return sorted((line[0], len(line)) for line in lines)


async def test_unknown_name_is_told_harmlessly(served: Served) -> None:
    """An error that quotes what was asked quotes it as text."""
    served.publish(fleet(assessed("quiet", 2)))
    for name in NAMES.values():
        ran = await trustctl(served, "guest", "--", name.replace("\x00", "") or " ")
        assert ran.exit_code == 1
        assert is_shown(ran.output)
        assert len(ran.output) < 2 * LONGEST


@every_name
def test_metrics_have_one_series_a_guest(name: str) -> None:
    """A name ends no line and begins no series, in trustd's own metrics and in raw ones."""

    def shown(text: str) -> tuple[str, set[tuple[str, frozenset[str]]]]:
        guests = hostile(text, 1), assessed("quiet", 2)
        stats = {"state.state": 1, "block.count": 1, "block.0.name": text, "block.0.path": text}
        read = GuestReading(guest_id(1), GuestState.RUNNING, 1.0, 1.0, stats)
        made = Exposition(FEATURES, RawSeries(devices=True))
        reading = Reading(1.0, 1.0, {guest_id(1): read})
        page = made.render(fleet(*guests), Meters("1"), reading).plain.decode()
        return page, {
            (sample.name, frozenset(sample.labels))
            for family in parsed(page)
            for sample in family.samples
        }

    page, series = shown(name)
    assert is_shown(page)
    assert "forged" not in {part for _, labels in series for part in labels}
    assert series >= shown("tame")[1] or not name
    assert max(map(len, page.splitlines())) < 2 * LONGEST


@every_name
def test_export_of_the_audit_makes_no_formula(name: str) -> None:
    """A cell of the CSV is one cell in one row, and none that a spreadsheet reckons with."""
    record = {
        "id": 1,
        "at": 1.0,
        "guest": guest_id(1),
        "name": name,
        "kind": "band",
        "document": {"before": name},
        "hash": "00",
    }
    line = audit._csv_line(audit._csv_cells(record))
    assert is_shown(line.replace("\r\n", "\n"))
    (row,) = csv.reader(io.StringIO(line))
    assert len(row) == len(audit._COLUMNS)
    assert not [cell for cell in row if cell[:1] in set("=+-@\t\r\uff1d\uff0b\uff0d\uff20")]


class Tags(HTMLParser):
    """The elements of a page, and whatever in them could do something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.active: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.active += [each for each in attrs if each[0][:2] == "on" or each[0] in ("src", "href")]


@pytest.mark.parametrize("name", [each for each in NAMES.values() if each])
def test_report_of_an_incident_has_no_foreign_markup(name: str) -> None:
    """The HTML has the elements that it has with tame words, the Markdown the same blocks."""
    found, tame = Tags(), Tags()
    page = html(incident(name), 0.0)
    found.feed(page)
    tame.feed(html(incident("tame"), 0.0))
    assert found.tags == tame.tags
    assert found.active == tame.active == []
    assert is_shown(page)
    text, plain = markdown(incident(name), 0.0), markdown(incident("tame"), 0.0)
    assert is_shown(text)
    assert len(text.splitlines()) == len(plain.splitlines())
    # an indented line is code, where nothing is markup
    written = [line for line in text.splitlines() if not line.startswith("    ")]
    assert not re.search(r"(?<!\\)[<\[`]", "\n".join(written))


@every_name
def test_notices_are_bounded_lines(name: str) -> None:
    """What is told by webhook, command, Alertmanager and journal: values of JSON and fields of an
    entry, each a bounded line."""
    made = cleaned(notice(name=name, title=name, problem=name, objects=(name,)))
    alerts = list(_alerts(made, "host", 1.0))
    for shown in (told(made), alerts):
        body = json.dumps(shown, ensure_ascii=False)
        body.encode("utf-8")
        assert is_shown(body)
        assert len(body) < 40_000
        assert json.loads(body) == shown
    assert "forged" not in {key for alert in alerts for key in alert["labels"]}
    assert entry(made).count(b"TRUSTD_GUEST_NAME\n") == 1


@every_name
def test_journal_has_fields_that_no_name_can_end(name: str) -> None:
    """An entry of the daemon's log names the guest in one field whose length stands before it."""
    (message, sent), _ = render(None, "", {"event": "band", "level": "info", "guest": name})
    assert is_shown(message)
    head, _, rest = sent.partition(b"TRUSTD_GUEST\n")
    length = int.from_bytes(rest[:8], "little")
    if name:
        assert rest[8 + length : 9 + length] == b"\n"
        rest[8 : 8 + length].decode("utf-8")
    assert head.startswith(b"MESSAGE\n")
