"""The addresses of the access half."""

from __future__ import annotations

from trustd.api import access, entry, feedback
from trustd.api import access_shapes as shapes
from trustd.api.entry_shapes import EntryDoc, EntryQuestion
from trustd.api.evidence_routes import EVIDENCE_ROUTES
from trustd.api.feedback_shapes import AcknowledgedDoc, Acknowledgement
from trustd.api.gate_routes import GATE_ROUTES
from trustd.api.notice_routes import NOTICE_ROUTES
from trustd.api.override_routes import OVERRIDE_ROUTES
from trustd.api.route import GUEST, Parameter, Route
from trustd.api.then_shapes import ThenDoc

_WHAT = (
    Parameter("type", "query", "The type: volume, network, bucket ...", needed=True),
    Parameter("id", "query", "The identity.", needed=True),
)

ACCESS_ROUTES = (
    Route(
        "/v1/guests/{guest}/why",
        "why",
        access.why,
        "Why a guest may do something to an object, or not, now or at a time that has passed",
        shapes.WhyDoc,
        parameters=(
            *GUEST,
            Parameter("action", "query", "The action.", needed=True),
            *_WHAT,
            Parameter(
                "at", "query", "A time that has passed: ISO 8601 with its zone, or epoch seconds."
            ),
        ),
        problems=(400, 403, 404, 409, 503),
    ),
    Route(
        "/v1/guests/{guest}/then",
        "then",
        access.then,
        "How a guest stood at a time that has passed, and why; over the unix socket only",
        ThenDoc,
        parameters=(
            *GUEST,
            Parameter("at", "query", "ISO 8601 with its zone, or epoch seconds.", needed=True),
        ),
        problems=(400, 403, 404, 409, 503),
    ),
    Route(
        "/v1/guests/{guest}/can",
        "can",
        access.can,
        "What a guest may do to every object that is known",
        shapes.CanList,
        parameters=GUEST,
        problems=(403, 404, 409, 503),
    ),
    Route(
        "/v1/guests/{guest}/acknowledge",
        "acknowledge",
        feedback.acknowledge,
        "Take an operator's word on what a guest did; over the unix socket only, for whoever may",
        AcknowledgedDoc,
        parameters=GUEST,
        method="POST",
        body=Acknowledgement,
        problems=(400, 403, 404, 409, 415, 503),
    ),
    Route(
        "/v1/admission",
        "admission",
        entry.admission,
        "Whether a guest may come to run here, or be managed; over the unix socket only",
        EntryDoc,
        method="POST",
        body=EntryQuestion,
        problems=(400, 403, 415, 503),
    ),
    Route(
        "/v1/decisions",
        "decisions",
        access.decisions,
        "The newest decisions that were recorded",
        shapes.DecisionList,
        parameters=(
            Parameter("subject", "query", "Only those about this subject."),
            Parameter("permit", "query", "Only permits, or only denials.", {"type": "boolean"}),
            Parameter(
                "limit",
                "query",
                "How many.",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": access.MOST,
                    "default": access.USUAL,
                },
            ),
        ),
        problems=(400, 403, 503),
    ),
    Route(
        "/v1/policy",
        "policy",
        access.policy,
        "The policy in force",
        shapes.PolicyText,
        problems=(403, 503),
        tagged=True,
    ),
    Route(
        "/v1/policy/difference",
        "difference",
        access.difference,
        "What another policy would change; over the unix socket only, for whoever may",
        shapes.DifferenceDoc,
        method="POST",
        body=shapes.Proposal,
        problems=(400, 403, 415, 422, 429, 503),
    ),
    Route(
        "/v1/policy/reload",
        "reload",
        access.reload,
        "Take over the policy file; over the unix socket only, for whoever may",
        shapes.ReloadDoc,
        method="POST",
        body=shapes.ReloadRequest,
        problems=(400, 403, 415, 422, 503),
    ),
    Route(
        "/v1/objects",
        "objects",
        access.objects,
        "The objects that are known, with every name and label",
        shapes.ObjectList,
        parameters=(Parameter("type", "query", "Only objects of this type."),),
        problems=(400, 403, 503),
    ),
    Route(
        "/v1/labels",
        "labels",
        access.labels,
        "The labels of a guest or an object",
        shapes.LabelsDoc,
        parameters=_WHAT,
        problems=(400, 403, 503),
    ),
    Route(
        "/v1/labels",
        "relabel",
        access.relabel,
        "Change labels; over the unix socket only, for whoever may",
        shapes.LabelsDoc,
        method="POST",
        body=shapes.LabelChange,
        problems=(400, 403, 404, 409, 415, 503),
    ),
    *EVIDENCE_ROUTES,
    *GATE_ROUTES,
    *NOTICE_ROUTES,
    *OVERRIDE_ROUTES,
)
