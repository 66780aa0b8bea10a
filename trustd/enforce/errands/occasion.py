"""What is handed along with an errand: why it is done, as plain values."""

from __future__ import annotations

from typing import Any

from trustd.model import Assessment


def occasion_document(occasion: Assessment) -> dict[str, Any]:
    """The assessment that led to an errand; every text of a guest in it is data.

    Returns:
        Values that JSON knows: the guest, its band and trust, what made them so, its open
        findings, and what is in force on it.
    """
    guest = occasion.guest
    return {
        "guest": {
            "id": guest.id,
            "name": guest.name,
            "state": str(guest.state),
            "labels": dict(guest.labels),
        },
        "at": occasion.at,
        "band": occasion.band,
        "since": occasion.since,
        "trust": None if occasion.trust != occasion.trust else occasion.trust,
        "mode": str(occasion.mode),
        "policy": occasion.policy,
        "drivers": [
            {"name": each.name, "share": each.share, "text": each.text} for each in occasion.drivers
        ],
        "findings": [
            {
                "kind": each.kind,
                "severity": str(each.severity),
                "source": each.source,
                "at": each.at,
                "summary": each.summary,
                "key": each.key,
            }
            for each in occasion.findings
        ],
        "actions": [
            {
                "lever": each.action.lever,
                "device": each.action.device,
                "status": str(each.status),
                "because": each.action.because,
            }
            for each in occasion.outcomes
        ],
    }
