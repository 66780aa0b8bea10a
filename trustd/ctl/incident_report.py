"""An incident's report, in Markdown and in HTML: one content, two forms.

Whatever a guest, its owner or a person wrote is escaped: in Markdown, so that it makes
no markup and no HTML, in HTML, as text. The HTML is one file without scripts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from trustd.ctl.connection import Document
from trustd.ctl.incident_plot import plot, when
from trustd.ctl.text import harmless

_SPECIAL = frozenset("\\`*_{}[]()<>#+-!|&~:@$^=")
"""What may begin markup in any common dialect of Markdown."""
_CSS = (
    "body{font:14px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;"
    "text-align:left;padding:.3em .6em;vertical-align:top;overflow-wrap:anywhere}"
    "th{white-space:nowrap}code{background:#f2f2f2;padding:.1em .3em}svg{width:100%;height:auto}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Of the page's content: even what slipped through could load and run nothing."""


@dataclass(frozen=True, slots=True)
class _Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of the report; the first one has the title of the whole."""

    title: str
    table: _Table | None = None
    text: str = ""
    commands: Sequence[str] = ()
    plotted: bool = False


def plain(text: str) -> str:
    r"""Foreign text in a Markdown line, as text and nothing else.

    >>> print(plain("web*1* <b>"))
    web\*1\* \<b\>
    >>> print(plain("a|b\n# c"))
    a\|b\\n\# c
    """
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in harmless(text))


def markdown(found: Document, now: float) -> str:
    """The report as Markdown; the trust as a table.

    Args:
        found: the API's document.
        now: epoch seconds, for the date of the report.
    """
    parts = []
    for level, section in enumerate(_sections(found, now)):
        parts.append(f"{'##' if level else '#'} {plain(section.title)}")
        if section.text:
            parts.append(plain(section.text))
        if section.plotted:
            points = [
                (when(each["at"]), f"{each['trust']:.2f}", each["band"]) for each in found["trust"]
            ]
            parts.append(_rows(_Table(("when", "trust", "band"), points)))
        if section.table is not None:
            parts.append(_rows(section.table))
        parts += [f"    {harmless(each)}" for each in section.commands]
    return "\n\n".join(parts) + "\n"


def html(found: Document, now: float) -> str:
    """The report as one HTML page, with the trust as a plot.

    Args:
        found: the API's document.
        now: epoch seconds, for the date of the report.
    """
    body = []
    for level, section in enumerate(_sections(found, now)):
        heading = "h2" if level else "h1"
        body.append(f"<{heading}>{_text(section.title)}</{heading}>")
        if section.text:
            body.append(f"<p>{_text(section.text)}</p>")
        if section.plotted:
            body.append(plot(found["trust"], found["bands"], found["history"]))
        if section.table is not None:
            body.append(_grid(section.table))
        body += [f"<p><code>{_text(each)}</code></p>" for each in section.commands]
    title = _text(f"Incident {found['summary']['number']}")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{title}</title><style>{_CSS}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _sections(found: Document, now: float) -> Iterable[_Section]:
    short = found["summary"]
    guest = f"{short['name']} ({short['guest']})" if short["guest"] else "the host"
    facts = [
        ("guest", guest),
        ("severity", short["severity"]),
        ("state", short["state"]),
        ("what it was", short["conclusion"] or "not said yet"),
        ("cause", short["cause"]),
        ("opened", when(short["opened"])),
        ("to be acknowledged until", _when(short["due"])),
        ("acknowledged", _when(short["acknowledged"])),
        ("assigned to", short["assigned"] or "-"),
        ("recovered", _when(short["recovered"])),
        ("resolved", _when(short["resolved"])),
        ("re-opened", f"{short['reopened']} times"),
        ("follows", f"incident {short['follows']}" if short["follows"] else "-"),
        ("policy (sha256)", found["policy"] or "-"),
        ("report of", when(now)),
    ]
    yield _Section(f"Incident {short['number']}: {guest}", _Table(("", ""), facts))
    if found["trust"]:
        yield _Section("Trust", plotted=True)
    lost = [(each,) for each in found["affected"]]
    yield _Section(
        "What the guest lost meanwhile",
        _Table(("permission",), lost) if lost else None,
        "" if lost else "Nothing.",
    )
    lines = [
        (
            when(each["at"]),
            each["kind"],
            each["severity"] or "-",
            each["by"] or "trustd",
            each["text"],
        )
        for each in found["timeline"]
    ]
    more = "There is more in the audit trail." if found["left_out"] else ""
    yield _Section("Timeline", _Table(("when", "what", "severity", "by", ""), lines), more)
    if found["rulings"]:
        answers = [
            (
                "permit" if each["permit"] else "deny",
                each["action"],
                f"{each['type']} {each['id']}",
                each["reason"],
                str(each["times"]),
                when(each["last"]),
            )
            for each in found["rulings"]
        ]
        columns = ("answer", "action", "object", "reason", "times", "last")
        yield _Section("Answers to other services", _Table(columns, answers))
    for place, each in enumerate(found["recommended"]):
        title = "Recommended" if not place else f"Recommended, {place + 1}"
        yield _Section(title, text=each["text"], commands=each["commands"])


def _rows(table: _Table) -> str:
    lines = [table.columns, ["---"] * len(table.columns)]
    shown = ["| " + " | ".join(row) + " |" for row in lines]
    shown += ["| " + " | ".join(map(plain, row)) + " |" for row in table.rows]
    return "\n".join(shown)


def _grid(table: _Table) -> str:
    head = "".join(f"<th>{_text(each)}</th>" for each in table.columns)
    rows = (_row(row, _text) for row in table.rows)
    return f"<table><tr>{head}</tr>\n" + "\n".join(rows) + "</table>"


def _row(cells: Sequence[str], shown: Callable[[str], str]) -> str:
    return "<tr>" + "".join(f"<td>{shown(each)}</td>" for each in cells) + "</tr>"


def _text(text: str) -> str:
    return escape(harmless(text))


def _when(at: float | None) -> str:
    return "-" if at is None else when(at)
