"""The addresses of incidents."""

from __future__ import annotations

from trustd.api import incident_shapes as shapes
from trustd.api import incidents
from trustd.api.route import Parameter, Route

_INCIDENT = (
    Parameter(
        "incident",
        "path",
        "The incident's number.",
        {"type": "integer", "minimum": 1},
        needed=True,
    ),
)

INCIDENT_ROUTES = (
    Route(
        "/v1/incidents",
        "incidents",
        incidents.listed,
        "Incidents, the newest first; over the unix socket only",
        shapes.IncidentList,
        parameters=(
            Parameter(
                "state",
                "query",
                "Those that are open, or the last ones whatever became of them.",
                {"type": "string", "enum": ["open", "all"], "default": "open"},
            ),
            Parameter(
                "limit",
                "query",
                "The most of them.",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": incidents.MOST,
                    "default": incidents.USUAL,
                },
            ),
        ),
        problems=(400, 403, 503),
    ),
    Route(
        "/v1/incidents/{incident}",
        "incident",
        incidents.shown,
        "Everything about one incident; over the unix socket only",
        shapes.IncidentDoc,
        parameters=_INCIDENT,
        problems=(403, 404, 503),
    ),
    Route(
        "/v1/incidents/{incident}",
        "handle",
        incidents.act,
        "Acknowledge, assign, comment or resolve; over the unix socket only, for whoever may",
        shapes.IncidentDoc,
        parameters=_INCIDENT,
        method="POST",
        body=shapes.IncidentRequest,
        problems=(400, 403, 404, 409, 415, 503),
    ),
)
