"""The address of evidence."""

from __future__ import annotations

from trustd.api import evidence
from trustd.api.evidence_listing import MOST, USUAL, listed
from trustd.api.evidence_shapes import STATES, EvidenceList, EvidenceReport, ReceiptList
from trustd.api.route import Parameter, Route
from trustd.model import Severity

EVIDENCE_ROUTES = (
    Route(
        "/v1/evidence",
        "hearsay",
        listed,
        "What other services reported of guests, a finding once however often it was said; over the"
        " unix socket only",
        EvidenceList,
        parameters=(
            Parameter("guest", "query", "Only of the guest of this UUID or name."),
            Parameter("sender", "query", "Only what this one said."),
            Parameter("family", "query", "Only of this family."),
            Parameter(
                "severity",
                "query",
                "Only of this severity.",
                {"type": "string", "enum": list(map(str, Severity))},
            ),
            Parameter(
                "state", "query", "Only in this state.", {"type": "string", "enum": list(STATES)}
            ),
            Parameter(
                "before",
                "query",
                "Only what has a lower place.",
                {"type": "integer", "minimum": 0},
            ),
            Parameter(
                "limit",
                "query",
                "Of them on a page.",
                {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
            ),
        ),
        problems=(400, 403, 404, 409, 503),
    ),
    Route(
        "/v1/evidence",
        "evidence",
        evidence.add,
        "Take what another service reports of guests: one report, a list of them, or CloudEvents",
        ReceiptList,
        parameters=(
            Parameter(
                "dry_run",
                "query",
                "Only say what would become of it.",
                {"type": "boolean", "default": False},
            ),
        ),
        method="POST",
        body=EvidenceReport,
        problems=(400, 403, 404, 409, 413, 415, 429, 503),
    ),
)
