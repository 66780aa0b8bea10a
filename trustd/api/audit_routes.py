"""The addresses of the audit trail."""

from __future__ import annotations

from trustd.api import audit
from trustd.api.audit_shapes import StateDoc, TrailDoc, VerdictDoc
from trustd.api.route import Parameter, Route

_PLACE = {"type": "integer", "minimum": 0}
_TIME = {"type": "number"}

AUDIT_ROUTES = (
    Route(
        "/v1/audit",
        "audit",
        audit.audit,
        "The audit trail, a page at a time; over the unix socket only",
        TrailDoc,
        parameters=(
            Parameter("guest", "query", "Only records about the guest of this UUID."),
            Parameter("kind", "query", "Only records of this kind: band, action, label ..."),
            Parameter("since", "query", "Only records from this time on, epoch seconds.", _TIME),
            Parameter("until", "query", "Only records before this time, epoch seconds.", _TIME),
            Parameter(
                "after", "query", "Only records after this place; absent: the newest.", _PLACE
            ),
            Parameter(
                "limit",
                "query",
                "Records on a page.",
                {"type": "integer", "minimum": 1, "maximum": audit.MOST, "default": audit.USUAL},
            ),
        ),
        problems=(400, 403, 503),
    ),
    Route(
        "/v1/audit/verify",
        "verify",
        audit.verify,
        "Whether the audit trail is what was written; over the unix socket only",
        VerdictDoc,
        problems=(403, 503),
    ),
    Route(
        "/v1/audit/state",
        "state",
        audit.state,
        "What the audit trail adds up to, now or at a time; over the unix socket only",
        StateDoc,
        parameters=(
            Parameter("at", "query", "Without records after this time, epoch seconds.", _TIME),
        ),
        problems=(400, 403, 503),
    ),
)
