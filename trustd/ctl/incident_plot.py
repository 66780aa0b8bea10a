"""Trust over time as inline SVG: shapes and text, nothing that runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

from trustd.ctl.connection import Document
from trustd.ctl.text import harmless

_WIDTH, _HEIGHT = 720, 220
_GAP = 3
"""Points that may be missing before the line is cut."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 10, 40
_COLOURS = ("#2e7d32", "#f9a825", "#ef6c00", "#c62828")
"""For bands, best to worst; with more bands the last one stands for all further."""


def when(at: float) -> str:
    """A time that means the same to every reader.

    >>> when(1_790_000_000.0)
    '2026-09-21 14:13:20 UTC'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plot(points: Sequence[Document], bands: Sequence[str], history: Sequence[Document] = ()) -> str:
    """An SVG element: trust from 0 to 1 over time, a dot in its band's colour a point.

    Args:
        points: of the incident, with ``at`` (epoch seconds), ``trust`` and ``band``; at least one.
        bands: best first.
        history: of the guest, with ``seconds``, ``lowest`` and ``highest`` too: the line is its
            mean, over a shade from its lowest to its highest, and has gaps where nothing was
            watched. Without it the line joins the points.
    """
    ends = [*points, *history]
    first = min(each["at"] for each in ends)
    last = max(each["at"] + each.get("seconds", 0.0) for each in ends)
    scale = _Scale(first, max(last - first, 1.0))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"',
        ' role="img" font-family="sans-serif" font-size="11"><title>Trust over time</title>',
    ]
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = scale.y(level)
        parts.append(
            f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{level:g}</text>'
        )
    parts += _course(history, scale) if history else [_stair(points, scale)]
    for each in points:
        said = _text(f"{when(each['at'])}: {each['trust']:.2f}, {each['band']}")
        parts.append(
            f'<circle cx="{scale.x(each["at"]):.1f}" cy="{scale.y(each["trust"]):.1f}" r="3"'
            f' fill="{_colour(each["band"], bands)}"><title>{said}</title></circle>'
        )
    low = _HEIGHT - _BOTTOM + 16
    parts.append(
        f'<text x="{_LEFT}" y="{low}">{when(first)}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{low}" text-anchor="end">{when(last)}</text>'
    )
    x = float(_LEFT)
    for band in dict.fromkeys(each["band"] for each in points):
        parts.append(
            f'<circle cx="{x + 4:.0f}" cy="{low + 14}" r="4" fill="{_colour(band, bands)}"/>'
            f'<text x="{x + 12:.0f}" y="{low + 18}">{_text(band)}</text>'
        )
        x += 30 + 7 * len(band)
    return "".join((*parts, "</svg>"))


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a time and a trust stand.

    Args:
        first: epoch seconds at the left.
        span: seconds to the right.
    """

    first: float
    span: float

    def x(self, at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (at - self.first) / self.span

    def y(self, trust: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - trust)


def _stair(points: Sequence[Document], scale: _Scale) -> str:
    places = [(scale.x(each["at"]), scale.y(each["trust"])) for each in points]
    line = "M{:.1f} {:.1f}".format(*places[0])
    line += "".join(f"H{x:.1f}V{y:.1f}" for x, y in places[1:])
    return f'<path d="{line}" fill="none" stroke="#555" stroke-width="1.5"/>'


def _course(history: Sequence[Document], scale: _Scale) -> Iterator[str]:
    """The mean over a shade, a piece for each time that was watched without a gap."""
    for piece in _pieces(history):
        there = [(scale.x(each["at"]), each) for each in piece]
        end = scale.x(piece[-1]["at"] + piece[-1]["seconds"])
        upper = [f"{x:.1f} {scale.y(each['highest']):.1f}" for x, each in there]
        upper.append(f"{end:.1f} {scale.y(piece[-1]['highest']):.1f}")
        lower = [f"{x:.1f} {scale.y(each['lowest']):.1f}" for x, each in there]
        lower.append(f"{end:.1f} {scale.y(piece[-1]['lowest']):.1f}")
        yield f'<path d="M{"L".join((*upper, *reversed(lower)))}Z" fill="#ccd" stroke="none"/>'
        mean = [f"{x:.1f} {scale.y(each['trust']):.1f}" for x, each in there]
        mean.append(f"{end:.1f} {scale.y(piece[-1]['trust']):.1f}")
        yield f'<path d="M{"L".join(mean)}" fill="none" stroke="#555" stroke-width="1.5"/>'


def _pieces(history: Sequence[Document]) -> Iterator[Sequence[Document]]:
    """The history between its gaps: where nothing was watched for several points."""
    steps = sorted(later["at"] - each["at"] for each, later in pairwise(history))
    most = _GAP * steps[len(steps) // 2] if steps else 0.0
    began = 0
    for place, (each, later) in enumerate(pairwise(history), start=1):
        if later["at"] - each["at"] - each["seconds"] > most:
            yield history[began:place]
            began = place
    yield history[began:]


def _colour(band: str, bands: Sequence[str]) -> str:
    place = list(bands).index(band) if band in bands else len(_COLOURS)
    return _COLOURS[min(place, len(_COLOURS) - 1)]


def _text(text: str) -> str:
    return escape(harmless(text))
