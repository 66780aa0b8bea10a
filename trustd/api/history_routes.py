"""The addresses of guests' history."""

from __future__ import annotations

from trustd.api import history
from trustd.api.history_shapes import StorageDoc, TimelineDoc
from trustd.api.route import GUEST, Parameter, Route

_TIME = {"type": "number", "minimum": 0}

HISTORY_ROUTES = (
    Route(
        "/v1/guests/{guest}/timeline",
        "timeline",
        history.timeline,
        "A guest's trust, or one of its features, over time",
        TimelineDoc,
        parameters=(
            *GUEST,
            Parameter("since", "query", "From this time on, epoch seconds; a day ago.", _TIME),
            Parameter("until", "query", "Before this time, epoch seconds; now.", _TIME),
            Parameter(
                "points",
                "query",
                "How many points at most.",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": history.MOST,
                    "default": history.USUAL,
                },
            ),
            Parameter("feature", "query", "Of this feature; absent: of trust."),
        ),
        problems=(400, 404, 409, 503),
    ),
    Route(
        "/v1/storage",
        "storage",
        history.storage,
        "What the repository takes, and what it will take",
        StorageDoc,
        problems=(503,),
    ),
)
