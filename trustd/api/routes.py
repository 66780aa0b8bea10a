"""Every address of the API: the one table that serving and schema come from."""

from __future__ import annotations

from typing import Any

from trustd.api import feedback, handlers, shapes
from trustd.api.access_routes import ACCESS_ROUTES
from trustd.api.audit_routes import AUDIT_ROUTES
from trustd.api.configuration import CONFIG_ROUTES
from trustd.api.history_routes import HISTORY_ROUTES
from trustd.api.incident_routes import INCIDENT_ROUTES
from trustd.api.matrix_shapes import MatrixDoc
from trustd.api.query import MOST, SORTS, USUAL
from trustd.api.route import GUEST, Parameter, Route
from trustd.metrics import CONTENT_TYPE
from trustd.model import Freshness, GuestState


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


_LISTED = (
    Parameter("band", "query", "Only guests in any of these bands.", _list_of({"type": "string"})),
    Parameter(
        "label",
        "query",
        "Only guests with all of these labels, as key or key:value.",
        _list_of({"type": "string"}),
    ),
    Parameter("role", "query", "Only guests in any of these roles.", _list_of({"type": "string"})),
    Parameter(
        "freshness",
        "query",
        "Only guests of which this is known.",
        _list_of({"type": "string", "enum": list(map(str, Freshness))}),
    ),
    Parameter(
        "state",
        "query",
        "Only guests in any of these states.",
        _list_of({"type": "string", "enum": list(map(str, GuestState))}),
    ),
    Parameter(
        "sort",
        "query",
        "Order; a leading minus turns it round.",
        {"type": "string", "enum": list(SORTS), "default": "trust"},
    ),
    Parameter(
        "limit",
        "query",
        "Guests on a page.",
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
    ),
    Parameter(
        "offset",
        "query",
        "Guests before this page.",
        {"type": "integer", "minimum": 0, "maximum": 10**9, "default": 0},
    ),
)

ROUTES = (
    Route(
        "/metrics",
        "metrics",
        handlers.metrics,
        "Figures for Prometheus",
        CONTENT_TYPE.partition(";")[0],
        problems=(503,),
    ),
    Route("/livez", "livez", handlers.livez, "Whether the process answers", shapes.Liveness),
    Route(
        "/readyz",
        "readyz",
        handlers.readyz,
        "Whether what is shown can be relied upon",
        shapes.Readiness,
        also=(503,),
    ),
    Route(
        "/v1/status",
        "status",
        handlers.status,
        "The daemon's condition",
        shapes.Status,
        problems=(503,),
    ),
    Route(
        "/v1/guests",
        "guests",
        handlers.guests,
        "The guests, lowest trust first",
        shapes.GuestList,
        parameters=_LISTED,
        problems=(400, 503),
        tagged=True,
    ),
    Route(
        "/v1/guests/{guest}",
        "guest",
        handlers.guest,
        "Everything about one guest",
        shapes.GuestDoc,
        parameters=GUEST,
        problems=(404, 409, 503),
    ),
    Route(
        "/v1/guests/{guest}/explain",
        "explain",
        feedback.explain,
        "Why a guest's trust is what it is, and what follows",
        shapes.Explanation,
        parameters=GUEST,
        problems=(404, 409, 503),
    ),
    Route(
        "/v1/guests/{guest}/permissions",
        "permissions",
        handlers.permissions,
        "What a guest may do at the moment",
        shapes.PermissionsDoc,
        parameters=GUEST,
        problems=(404, 409, 503),
    ),
    Route(
        "/v1/events",
        "events",
        handlers.events,
        "What each tick changed, as server-sent events",
        "text/event-stream",
        parameters=(Parameter("Last-Event-ID", "header", "The last event seen: go on after it."),),
        problems=(503,),
        endless=True,
    ),
    Route(
        "/v1/matrix",
        "matrix",
        handlers.matrix,
        "The bands of all guests over the last day, a character for ten minutes",
        MatrixDoc,
        problems=(503,),
    ),
    *ACCESS_ROUTES,
    *AUDIT_ROUTES,
    *CONFIG_ROUTES,
    *HISTORY_ROUTES,
    *INCIDENT_ROUTES,
)
