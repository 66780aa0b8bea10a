"""The addresses of disk gates."""

from __future__ import annotations

from trustd.api import gates
from trustd.api.gate_shapes import DiskGateList, GateChangeDoc, GateRequest
from trustd.api.route import Route

GATE_ROUTES = (
    Route(
        "/v1/gates",
        "gates",
        gates.gates,
        "Every disk gate, and what it denies; over the unix socket only",
        DiskGateList,
        problems=(403, 503),
    ),
    Route(
        "/v1/gates",
        "gate-add",
        gates.add,
        "Put a disk of a guest that is off behind a gate; over the unix socket only, for whoever"
        " may",
        GateChangeDoc,
        method="POST",
        body=GateRequest,
        problems=(400, 403, 404, 409, 415, 503),
    ),
    Route(
        "/v1/gates/remove",
        "gate-remove",
        gates.remove,
        "Take a disk of a guest that is off from behind its gate; over the unix socket only, for"
        " whoever may",
        GateChangeDoc,
        method="POST",
        body=GateRequest,
        problems=(400, 403, 404, 409, 415, 503),
    ),
)
