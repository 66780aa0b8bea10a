"""``alert``: tells the operator, through whatever notices are attached."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from trustd.model import Action, Assessment, Setting, Severity

log = structlog.get_logger()

MESSAGE_ID = "3f6c1f0c8a5b4d7e9b0f7a4f5d2e61c8"
"""Of every alert, by which the journal and its readers find it."""

Teller = Callable[[Severity, Action, Assessment], None]
"""Tells of an alert: how grave, why, and all about the guest. Bounds its own time."""

_LEVELS = {
    Severity.INFO: "info",
    Severity.MINOR: "warning",
    Severity.MAJOR: "error",
    Severity.CRITICAL: "critical",
}


class Alert:
    """Hands an alert to every teller, the log first.

    Args:
        tellers: beside the log.
    """

    at_once = 1

    def __init__(self, *tellers: Teller) -> None:
        self._tellers = (log_alert, *tellers)

    def do(self, action: Action, occasion: Assessment) -> Setting:
        """Tell; one that fails costs the others nothing, but the errand its success."""
        severity = Severity(str(action.setting["severity"]))
        failed: list[Exception] = []
        for tell in self._tellers:
            try:
                tell(severity, action, occasion)
            except Exception as error:  # noqa: BLE001 - whoever else is told must hear of it
                failed.append(error)
        if failed:
            raise failed[0]
        return {}


def log_alert(severity: Severity, action: Action, occasion: Assessment) -> None:
    """One line of the log with everything that a reader would filter by."""
    getattr(log, _LEVELS[severity])(
        "alert",
        message_id=MESSAGE_ID,
        severity=str(severity),
        guest=occasion.id,
        name=occasion.guest.name,
        band=occasion.band,
        trust=round(occasion.trust, 4),
        because=action.because,
        drivers=[each.text for each in occasion.drivers],
        findings=[each.kind for each in occasion.findings],
        policy=occasion.policy,
    )
