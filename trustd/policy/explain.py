"""Why a decision is what it is: every gate in its order, and the nearest permit."""

from __future__ import annotations

from dataclasses import dataclass

from trustd.model import Decision
from trustd.policy import reasons
from trustd.policy.compile import Policy
from trustd.policy.decide import decide
from trustd.policy.entities import Subject, Target
from trustd.policy.walls import NOBODY, NOTHING, History, Occupied

_GATES: tuple[tuple[str, frozenset[str]], ...] = (
    (
        "known",
        frozenset((reasons.UNKNOWN_ACTION, reasons.UNKNOWN_SUBJECT, reasons.UNKNOWN_TYPE)),
    ),
    ("forbid", frozenset((reasons.FORBID,))),
    ("wall", frozenset((reasons.WALL,))),
    ("type", frozenset((reasons.TYPE,))),
    ("role", frozenset((reasons.NO_ROLE, reasons.NO_GRANT))),
    ("match", frozenset((reasons.MATCH,))),
    ("band", frozenset((reasons.BAND_CAP, reasons.BAND_KEEP, reasons.BAND_DROP))),
)


@dataclass(frozen=True, slots=True)
class Gate:
    """One step of the decision.

    Args:
        passed: None where an earlier gate failed and this one was not reached.
    """

    name: str
    passed: bool | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with its reasons.

    Args:
        gates: in the order in which they are tried.
        text: one sentence.
        nearest: what would permit it, where a better band would; else empty.
    """

    decision: Decision
    gates: tuple[Gate, ...]
    text: str
    nearest: str


def explain(
    policy: Policy,
    subject: Subject | None,
    action: str,
    target: Target | None,
    *,
    band: str,
    at: float,
    trust: float | None = None,
    history: History = NOTHING,
    occupied: Occupied = NOBODY,
) -> Explanation:
    """Explain what :func:`decide` says to the same question; binds nothing.

    Args:
        trust: the present trust value, to be compared with what is needed.
    """
    decision = decide(
        policy, subject, action, target, band=band, at=at, history=history, occupied=occupied
    ).decision
    return Explanation(
        decision, _passed(decision.reason), _sentence(decision, action), _nearest(decision, trust)
    )


def _passed(reason: str) -> tuple[Gate, ...]:
    steps: list[Gate] = []
    failed = False
    for name, codes in _GATES:
        fails = reason in codes
        steps.append(Gate(name, None if failed else not fails))
        failed = failed or fails
    return tuple(steps)


def _sentence(decision: Decision, action: str) -> str:
    detail = decision.detail
    where = detail.get("object_set", "")
    texts = {
        reasons.PERMIT: f"role {decision.role} permits {action} on {where} in band {decision.band}",
        reasons.UNKNOWN_ACTION: f"no policy speaks of the action {action}",
        reasons.UNKNOWN_SUBJECT: "the subject is not known",
        reasons.UNKNOWN_TYPE: "the type of the object is not known",
        reasons.FORBID: f"{action} is forbidden: {detail.get('rule')}",
        reasons.WALL: _wall(detail.get("wall"), detail.get("value"), detail.get("held")),
        reasons.TYPE: f"subject and object have no {detail.get('label')} in common",
        reasons.NO_ROLE: "the subject's labels give it no role",
        reasons.NO_GRANT: f"none of the subject's roles permits {action} on this object",
        reasons.MATCH: f"role {decision.role} permits {action} on {where} only where the object's "
        f"{detail.get('object_label')} is the subject's {detail.get('label')}",
        reasons.BAND_CAP: f"role {decision.role} permits {action} on {where}; "
        f"band {decision.band} caps it",
        reasons.BAND_KEEP: f"role {decision.role} permits {action} on {where}, but keeps it "
        f"only above band {decision.band}",
        reasons.BAND_DROP: f"role {decision.role} permits {action} on {where}, but drops it on "
        f"this object in band {decision.band}",
    }
    text = texts[decision.reason]
    exception = detail.get("exception")
    return f"{text}, by exception {exception}" if exception else text


def _wall(wall: object, value: object, held: object) -> str:
    if not value:
        return f"wall {wall} refuses guests without a label of its kind"
    return f"wall {wall} stands between {value} and {held}"


def _nearest(decision: Decision, trust: float | None) -> str:
    detail = decision.detail
    if "needs_band" not in detail:
        return ""
    text = f"band {detail['needs_band']} permits it"
    if "needs_trust" in detail:
        text += f": trust {detail['needs_trust']} for {detail['needs_seconds']:.0f} s"
        if trust is not None:
            text += f", it is {trust:.2f}"
    return text
