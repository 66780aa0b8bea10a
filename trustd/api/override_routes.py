"""The addresses of operators' orders."""

from __future__ import annotations

from trustd.api import override_shapes as shapes
from trustd.api import overrides
from trustd.api.route import GUEST, Parameter, Route

_TAKEN = (
    Parameter("reason", "query", "Why it is taken back.", needed=True),
    Parameter("dry_run", "query", "Only say what it would change.", {"type": "boolean"}),
)
_PROBLEMS = (400, 403, 404, 409, 503)

OVERRIDE_ROUTES = (
    Route(
        "/v1/guests/{guest}/override",
        "overridden",
        overrides.overridden,
        "A guest's override; over the unix socket only",
        shapes.OverrideState,
        parameters=GUEST,
        problems=(403, 404, 409, 503),
    ),
    Route(
        "/v1/guests/{guest}/override",
        "override",
        overrides.override,
        "Bound a guest's band for a time; over the unix socket only, for whoever may",
        shapes.OrderDoc,
        parameters=GUEST,
        method="POST",
        body=shapes.OverrideRequest,
        problems=(*_PROBLEMS, 415),
    ),
    Route(
        "/v1/guests/{guest}/override",
        "clear",
        overrides.clear,
        "Take a guest's override back; over the unix socket only, for whoever may",
        shapes.OrderDoc,
        parameters=(*GUEST, *_TAKEN),
        method="DELETE",
        problems=_PROBLEMS,
    ),
    Route(
        "/v1/protect",
        "protected",
        overrides.protected,
        "Guests that an operator protects; over the unix socket only",
        shapes.ProtectionList,
        problems=(403, 503),
    ),
    Route(
        "/v1/protect",
        "protect",
        overrides.protect,
        "Protect a guest; over the unix socket only, for whoever may",
        shapes.OrderDoc,
        method="POST",
        body=shapes.ProtectRequest,
        problems=(*_PROBLEMS, 415),
    ),
    Route(
        "/v1/protect",
        "unprotect",
        overrides.unprotect,
        "Take a guest from the protect list; over the unix socket only, for whoever may",
        shapes.OrderDoc,
        parameters=(Parameter("guest", "query", "Its UUID or name.", needed=True), *_TAKEN),
        method="DELETE",
        problems=_PROBLEMS,
    ),
    Route(
        "/v1/pause",
        "paused",
        overrides.paused,
        "Whether enforcement is paused; over the unix socket only",
        shapes.PauseState,
        problems=(403, 503),
    ),
    Route(
        "/v1/pause",
        "pause",
        overrides.pause,
        "Pause enforcement for a time; over the unix socket only, for whoever may",
        shapes.OrderDoc,
        method="POST",
        body=shapes.PauseRequest,
        problems=(400, 403, 415, 503),
    ),
    Route(
        "/v1/pause",
        "resume",
        overrides.resume,
        "End the pause; over the unix socket only, for whoever may",
        shapes.OrderDoc,
        parameters=_TAKEN,
        method="DELETE",
        problems=(400, 403, 503),
    ),
    Route(
        "/v1/hold",
        "held",
        overrides.held,
        "Guests that are not narrowed as they should be; over the unix socket only",
        shapes.HoldState,
        problems=(403, 503),
    ),
    Route(
        "/v1/hold",
        "accept",
        overrides.accept,
        "Let those be narrowed that are too many; over the unix socket only, for whoever may",
        shapes.OrderDoc,
        method="POST",
        body=shapes.AcceptRequest,
        problems=(400, 403, 415, 503),
    ),
)
