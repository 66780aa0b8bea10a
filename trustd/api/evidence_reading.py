"""Reports out of a request: plain JSON, or CloudEvents 1.0 in any of its forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from trustd.api.admission import bad
from trustd.api.evidence_shapes import MOST_REPORTS, EvidenceReport
from trustd.api.problems import RequestProblem

JSON = "application/json"
EVENT = "application/cloudevents+json"
EVENTS = "application/cloudevents-batch+json"
MOST_BYTES = 256 * 1024
LONGEST = 512
"""Characters of an event's source and of its id."""

_REPORT = TypeAdapter(EvidenceReport)


@dataclass(frozen=True, slots=True)
class Said:
    """A report, and what its sender knows it by; empty where it does not say."""

    report: EvidenceReport
    event: str


def read(media: str, headers: Mapping[str, str], body: bytes) -> tuple[Said, ...]:
    """The reports of a request, one at least.

    Args:
        media: the body's type, without parameters.
        headers: of the request; their names compare without case.

    Raises:
        RequestProblem: it holds something else; which report it is stands in front.
    """
    if len(body) > MOST_BYTES:
        raise RequestProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"send at most {MOST_BYTES} bytes at once"
        )
    if media not in {JSON, EVENT, EVENTS}:
        raise RequestProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {JSON}, {EVENT} or {EVENTS}")
    try:
        sent = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad(f"not JSON: {error}") from error
    if media == JSON and "ce-specversion" in headers:
        attributes = {
            name[3:].lower(): value
            for name, value in headers.items()
            if name.lower().startswith("ce-")
        }
        return (_of_event({**attributes, "data": sent}),)
    if media == EVENT:
        return (_of_event(sent),)
    if media == JSON and not isinstance(sent, list):
        return (_plain(sent),)
    if not isinstance(sent, list) or not 1 <= len(sent) <= MOST_REPORTS:
        raise bad(f"a batch is a list of 1 to {MOST_REPORTS}")
    found = []
    for place, each in enumerate(sent):
        try:
            found.append(_plain(each) if media == JSON else _of_event(each))
        except RequestProblem as error:
            raise numbered(place, error) from error
    return tuple(found)


def numbered(place: int, problem: RequestProblem) -> RequestProblem:
    """A problem of one report of several."""
    return RequestProblem(problem.status, f"report {place}: {problem.detail}", problem.headers)


def _plain(sent: object) -> Said:
    report = _checked(sent)
    return Said(report, f"id {report.id}" if report.id else "")


def _of_event(sent: object) -> Said:
    """The report in an event; its source and id together are its identity."""
    if not isinstance(sent, dict):
        raise bad("an event is a JSON object")
    if sent.get("specversion") != "1.0":
        raise bad("specversion must be 1.0")
    for name in ("id", "source", "type"):
        value = sent.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= LONGEST:
            raise bad(f"{name} must be a text of 1 to {LONGEST} characters")
    media = sent.get("datacontenttype") or JSON
    if not isinstance(media, str) or media.split(";")[0].strip().lower() != JSON:
        raise bad(f"datacontenttype must be {JSON}")
    if "data" not in sent:
        raise bad("data is missing: it is the report")
    # a header may hold what is no text; this is ASCII whatever it is
    identity = json.dumps([sent["source"], sent["id"]])
    return Said(_checked(sent["data"]), f"event {identity}")


def _checked(sent: Any) -> EvidenceReport:  # noqa: ANN401 - whatever JSON may be
    try:
        # as JSON and strict: no number for a text
        report = _REPORT.validate_json(orjson.dumps(sent), strict=True)
    except orjson.JSONEncodeError as error:
        raise bad("nested too deeply") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise bad(f"{place}: {first['msg']}"[:LONGEST]) from error
    given = [each for each in ("uuid", "name", "mac", "ip", "disk") if getattr(report.guest, each)]
    if len(given) != 1:
        raise bad("guest: give exactly one of uuid, name, mac, ip and disk")
    if report.state == "open":
        for name in ("severity", "expires_in"):
            if getattr(report, name) is None:
                raise bad(f"{name} is needed where something is open")
    return report
