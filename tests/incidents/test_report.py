"""Reports are complete, and nothing that somebody else wrote becomes markup in them."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from defusedxml.ElementTree import fromstring

from trustd.ctl.incident_plot import plot
from trustd.ctl.incident_report import html, markdown

EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=a()>&amp;|`x` **b** [l](http://e)\x1b[2J\n# h"
)


def document(text=EVIL):
    return {
        "summary": {
            "number": 7,
            "guest": "00000000-0000-4000-8000-000000000007",
            "name": text,
            "state": "resolved",
            "severity": "major",
            "cause": text,
            "opened": 1_790_000_000.0,
            "due": None,
            "overdue": False,
            "acknowledged": None,
            "assigned": text,
            "recovered": None,
            "resolved": None,
            "conclusion": None,
            "reopened": 1,
            "follows": 3,
        },
        "affected": [text],
        "timeline": [
            {"at": 1_790_000_000.0, "kind": "evidence", "text": text, "severity": "", "by": text}
        ],
        "left_out": True,
        "rulings": [
            {
                "action": text,
                "type": text,
                "id": text,
                "permit": False,
                "reason": text,
                "times": 2,
                "last": 1_790_000_000.0,
            }
        ],
        "trust": [
            {"at": 1_790_000_000.0, "trust": 0.9, "band": "trusted"},
            {"at": 1_790_000_010.0, "trust": 0.2, "band": text},
        ],
        "history": [
            {
                "at": 1_790_000_000.0 + number,
                "seconds": 1.0,
                "trust": 0.5,
                "lowest": 0.4,
                "highest": 0.6,
                "band": text,
            }
            for number in range(3)
        ],
        "bands": ["trusted", text],
        "recommended": [{"text": text, "commands": [text]}],
        "policy": "abc",
    }


class Reader(HTMLParser):
    """The tags and attributes of a page, as a browser would see them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.names, self.words = set(), set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.words.append(data)


def test_page_has_the_tags_of_a_harmless_one():
    """With hostile text everywhere the HTML has the tags and attributes that it has with harmless
    text, no script, no link and no image; the hostile text is there to read."""
    evil, good = Reader(html(document(), 0.0)), Reader(html(document("web-7"), 0.0))
    assert evil.tags == good.tags
    assert evil.names == good.names
    assert not evil.tags & {"script", "img", "a", "link", "iframe", "object", "form"}
    assert not {name for name in evil.names if name.startswith("on") or name in {"src", "href"}}
    assert "<script>alert(1)</script>" in "".join(evil.words)
    assert "\x1b" not in html(document(), 0.0)


def test_markdown_has_the_lines_of_a_harmless_one():
    """Hostile text adds no line, no column, no HTML and no link."""
    evil, good = markdown(document(), 0.0), markdown(document("web-7"), 0.0)
    assert len(evil.splitlines()) == len(good.splitlines())

    def columns(text):
        return [line.replace("\\|", "").count("|") for line in text.splitlines() if line[:1] == "|"]

    assert columns(evil) == columns(good)
    prose = [line for line in evil.splitlines() if not line.startswith("    ")]
    assert not [line for line in prose if "<script" in line.replace("\\<", "")]
    assert not [line for line in prose if "](" in line.replace("\\]", "").replace("\\(", "")]
    assert "\x1b" not in evil


@pytest.mark.parametrize("render", [markdown, html])
def test_report_says_what_happened(render):
    """Guest, cause, times, what was lost, the timeline, answers, and what is recommended."""
    text = render(document("web\u00fc7"), 1_790_000_100.0).replace("\\", "")
    for words in (
        "Incident 7",
        "web\u00fc7",
        "00000000-0000-4000-8000-000000000007",
        "2026-09-21 14:13:20 UTC",
        "2026-09-21 14:15:00 UTC",
        "incident 3",
        "evidence",
        "deny",
        "0.20",
        "There is more in the audit trail.",
    ):
        assert words in text


def test_plot_is_in_proportion():
    """A fall by half of the scale is half of the height, at its place in time; well-formed."""
    points = [
        {"at": 100.0, "trust": 1.0, "band": "a"},
        {"at": 150.0, "trust": 0.5, "band": "b"},
        {"at": 200.0, "trust": 0.0, "band": "b"},
    ]
    root = fromstring(plot(points, ["a", "b"]))
    dots = [each for each in root.iter() if each.tag.endswith("circle") and each.get("r") == "3"]
    x = [float(each.get("cx")) for each in dots]
    y = [float(each.get("cy")) for each in dots]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1])
    assert y[1] - y[0] == pytest.approx(y[2] - y[1])
    assert x[0] < x[1]
    assert y[0] < y[1]
    assert dots[0].get("fill") != dots[1].get("fill") == dots[2].get("fill")


def stretch(at, trust, lowest, highest):
    names = ("at", "seconds", "trust", "lowest", "highest", "band")
    return dict(zip(names, (at, 10.0, trust, lowest, highest, "a"), strict=True))


def test_plot_shows_the_history_with_its_extremes_and_its_gaps():
    """The line is what was watched, before and after the incident too, and is cut where nothing
    was; a short fall inside a long stretch is in the shade."""
    history = [stretch(at, 0.9, 0.1 if at == 20.0 else 0.9, 0.9) for at in (0.0, 10.0, 20.0, 30.0)]
    history += [stretch(at, 0.9, 0.9, 0.9) for at in (500.0, 510.0)]
    root = fromstring(plot([{"at": 20.0, "trust": 0.1, "band": "b"}], ["a", "b"], history))
    paths = [each for each in root.iter() if each.tag.endswith("path")]
    lines = [each.get("d") for each in paths if each.get("stroke") == "#555"]
    shades = [each.get("d") for each in paths if each.get("fill") == "#ccd"]
    assert len(lines) == len(shades) == 2
    (dot,) = [each for each in root.iter() if each.tag.endswith("circle") and each.get("r") == "3"]
    assert f" {float(dot.get('cy')):.1f}L" in shades[0]
    assert f" {float(dot.get('cy')):.1f}L" not in lines[0]
    assert float(lines[0][1:].split(" ")[0]) < float(dot.get("cx"))


def test_plot_of_one_point():
    """An incident a moment old has a plot, too."""
    assert "<svg" in plot([{"at": 1.0, "trust": 0.5, "band": "a"}], ["a"])
