"""The address of evidence."""

from __future__ import annotations

from trustd.api import evidence
from trustd.api.evidence_shapes import EvidenceReport, ReceiptList
from trustd.api.route import Route

EVIDENCE_ROUTES = (
    Route(
        "/v1/evidence",
        "evidence",
        evidence.add,
        "Take what another service reports of guests: one report, a list of them, or CloudEvents",
        ReceiptList,
        method="POST",
        body=EvidenceReport,
        problems=(400, 403, 404, 409, 413, 415, 429, 503),
    ),
)
