"""Trust over time as inline SVG: shapes and text, nothing that runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from trustd.ctl.connection import Document
from trustd.ctl.text import harmless

_WIDTH, _HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 10, 40
_COLOURS = ("#2e7d32", "#f9a825", "#ef6c00", "#c62828")
"""For bands, best to worst; with more bands the last one stands for all further."""


def when(at: float) -> str:
    """A time that means the same to every reader.

    >>> when(1_790_000_000.0)
    '2026-09-21 14:13:20 UTC'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plot(points: Sequence[Document], bands: Sequence[str]) -> str:
    """An SVG element: trust from 0 to 1 as a stair, a dot in its band's colour a point.

    Args:
        points: with ``at`` (epoch seconds), ``trust`` and ``band``; at least one.
        bands: best first.
    """
    first, last = points[0]["at"], points[-1]["at"]
    span = max(last - first, 1.0)
    places = [
        (
            _LEFT + (_WIDTH - _LEFT - _RIGHT) * (each["at"] - first) / span,
            _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - each["trust"]),
            each,
        )
        for each in points
    ]
    stair = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
    stair += "".join(f"H{x:.1f}V{y:.1f}" for x, y, _ in places[1:])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"',
        ' role="img" font-family="sans-serif" font-size="11"><title>Trust over time</title>',
    ]
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - level)
        parts.append(
            f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{level:g}</text>'
        )
    parts.append(f'<path d="{stair}" fill="none" stroke="#555" stroke-width="1.5"/>')
    for x, y, each in places:
        said = _text(f"{when(each['at'])}: {each['trust']:.2f}, {each['band']}")
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_colour(each["band"], bands)}">'
            f"<title>{said}</title></circle>"
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


def _colour(band: str, bands: Sequence[str]) -> str:
    place = list(bands).index(band) if band in bands else len(_COLOURS)
    return _COLOURS[min(place, len(_COLOURS) - 1)]


def _text(text: str) -> str:
    return escape(harmless(text))
