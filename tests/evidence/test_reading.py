"""What a request may look like: plain JSON, or CloudEvents 1.0 in every form."""

from __future__ import annotations

import json

import pytest

from tests.evidence.conftest import A, B, Reporting, report
from trustd.api.evidence_reading import EVENT, EVENTS, JSON, MOST_BYTES, read
from trustd.api.problems import RequestProblem


def event(**other):
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/sensors/7",
        "type": "org.example.alert",
        "data": report(severity="minor", expires_in=5),
        **other,
    }


def binary(**other):
    return {f"ce-{name}": value for name, value in event(**other).items() if name != "data"}


async def test_one_event_is_one_in_every_form(reporting: Reporting) -> None:
    """Structured, in a batch and with its attributes in headers, an event of one source and id is
    the same one; of another source it is another."""
    assert await reporting.taken(event(), media=f"{EVENT}; charset=utf-8") == ["new"]
    batch = [event(), event(source="/sensors/8")]
    assert await reporting.taken(batch, media=EVENTS) == ["duplicate", "again"]
    data = report(severity="minor")
    assert await reporting.taken(data, **binary()) == ["duplicate"]
    assert await reporting.taken(data, **binary(id="e-2")) == ["again"]
    # an id of a plain report is none of an event
    assert await reporting.taken(report(id="e-1")) == ["again"]


async def test_batch_is_all_or_nothing(reporting: Reporting) -> None:
    """One report that makes no sense keeps the whole request from counting, and is named."""
    await reporting.refused([report(), report(B, severity="bad")], 400, "report 1: severity")
    reporting.tick()
    assert reporting.guest().findings == ()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"severity": None}, "severity is needed"),
        ({"expires_in": None}, "expires_in is needed"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": "600"}, "expires_in"),
        ({"confidence": 1.1}, "confidence"),
        ({"kind": "a:b"}, "kind"),
        ({"kind": "x" * 65}, "kind"),
        ({"summary": "a\x1b[2J"}, "summary"),
        ({"summary": "a" * 513}, "summary"),
        ({"facts": {"x": [1]}}, "facts.x"),
        ({"facts": {str(n): n for n in range(17)}}, "facts"),
        ({"guest": {}}, "exactly one"),
        ({"guest": {"uuid": A, "name": "web-0"}}, "exactly one"),
        ({"guest": {"uuid": A, "host": "x"}}, "guest.host"),
        ({"trust": 1.0}, "trust"),
    ],
)
def test_report_that_makes_no_sense_is_told_why(sent, words):
    """Each field has its bounds, nothing is passed over, and the answer names the field."""
    told = {name: value for name, value in {**report(), **sent}.items() if value is not None}
    with pytest.raises(RequestProblem) as refused:
        read(JSON, {}, json.dumps(told).encode())
    assert refused.value.status == 400
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        ("text/plain", b"{}", 415),
        (JSON, b"nonsense", 400),
        (JSON, b"[]", 400),
        (JSON, b"7", 400),
        (JSON, b"[" * 900 + b"]" * 900, 400),
        (JSON, json.dumps([report()] * 101).encode(), 400),
        (JSON, b" " * (MOST_BYTES + 1), 413),
        (EVENT, b"[]", 400),
        (EVENT, json.dumps(event(specversion="0.3")).encode(), 400),
        (EVENT, json.dumps(event(id="")).encode(), 400),
        (EVENT, json.dumps(event(source=7)).encode(), 400),
        (EVENT, json.dumps(event(datacontenttype="text/xml")).encode(), 400),
        (EVENT, json.dumps({**event(), "data": None}).encode(), 400),
        (EVENTS, json.dumps(event()).encode(), 400),
    ],
)
def test_what_is_no_report_is_refused(media, body, status):
    """Neither another type, nor half an event, nor more than is read comes further."""
    with pytest.raises(RequestProblem) as refused:
        read(media, {}, body)
    assert refused.value.status == status
