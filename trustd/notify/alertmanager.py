"""Prometheus' Alertmanager, API v2: it deduplicates, groups, silences and routes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from trustd.model import Notice, Severity
from trustd.notify.http import Endpoint
from trustd.notify.text import moment

LASTING = 900.0
"""Seconds for which an alert that trustd does not tell again stays: over a restart of either."""

_SEVERITIES = {
    Severity.INFO: "info",
    Severity.MINOR: "warning",
    Severity.MAJOR: "warning",
    Severity.CRITICAL: "critical",
}
"""In the words of the alert rules that come with trustd."""


class Alertmanager:
    """Tells alerts, and tells them again each minute, because Alertmanager forgets others.

    Args:
        endpoint: without ``/api/v2``.
        clock: epoch seconds.
    """

    at_once = 64
    renew = 60.0

    def __init__(
        self, endpoint: Endpoint, host: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._endpoint = endpoint
        self._host = host
        self._clock = clock

    def send(self, notices: Sequence[Notice]) -> None:
        """Tell them in one request."""
        now = self._clock()
        alerts = [alert for each in notices for alert in _alerts(each, self._host, now)]
        self._endpoint.post(
            "/api/v2/alerts", orjson.dumps(alerts), {"Content-Type": "application/json"}
        )


def _alerts(notice: Notice, host: str, now: float) -> Iterator[dict[str, Any]]:
    """The notice as an alert, and as those over that it was with another severity.

    An alert is the same one to Alertmanager as long as its labels are: what changes
    while a notice lasts is an annotation, except the severity, by which it routes.
    """
    severity = _SEVERITIES[notice.severity]
    annotations = {
        "summary": notice.title,
        "description": notice.problem,
        "mode": str(notice.mode),
        "trustd_severity": str(notice.severity),
        "guests": ", ".join(f"{each.name} ({each.guest})" for each in notice.guests),
        "objects": ", ".join(notice.objects),
        "recommended": " ".join(notice.recommended),
    }
    for each in dict.fromkeys((severity, *map(_SEVERITIES.__getitem__, notice.former))):
        labels = {
            "alertname": "TrustdNotice",
            "kind": notice.labels.get("kind", "other"),
            "key": notice.key,
            "host": host,
            "severity": each,
        }
        if len(notice.guests) == 1:
            labels["guest"] = notice.guests[0].guest
        lasts = now + LASTING if each == severity else max(now, notice.starts)
        yield {
            "labels": labels,
            "annotations": {name: text for name, text in annotations.items() if text},
            "startsAt": moment(notice.starts),
            "endsAt": moment(notice.ends if notice.ended else lasts),
        }
