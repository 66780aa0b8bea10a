"""What the policy asks to be enforced and this host cannot do: said before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from trustd.enforce import lever_of
from trustd.model import Assessment, GuestId, LeverHealth, Mode, OutcomeStatus
from trustd.pipeline.verdict import Seen
from trustd.policy import Measure, Policy

UNKNOWN = "this trustd has no such lever"


class Lacking:
    """Compares what the policy in force needs with the levers that there are."""

    def __init__(self) -> None:
        self._policy: Policy | None = None
        self._named: frozenset[str] = frozenset()

    def of(
        self,
        policy: Policy,
        world: Callable[[], Mapping[GuestId, Seen]],
        assessments: Iterable[Assessment],
        health: Mapping[str, LeverHealth],
    ) -> Mapping[str, str]:
        """Why each lever that is needed in enforce mode cannot be had, by lever.

        Needed is what the bands of some guest's roles ask for, were it to fall so far,
        and what was refused to a guest already.

        Args:
            world: every guest as the policy sees it; not asked for where every lever
                that the policy names can be pulled.
        """
        cannot = {name: each.why for name, each in health.items() if each.available is False}
        refused = {
            outcome.action.lever
            for assessment in assessments
            for outcome in assessment.outcomes
            if outcome.status is OutcomeStatus.REFUSED
        }
        needed = {lever for lever in refused if lever in cannot or lever not in health}
        named = {lever for lever in self._levers(policy) if lever in cannot or lever not in health}
        if named - needed:
            needed |= named & _enforced(policy, world().values())
        return {lever: cannot.get(lever) or UNKNOWN for lever in sorted(needed)}

    def _levers(self, policy: Policy) -> frozenset[str]:
        """Every lever that the policy names for anybody; worked out once a policy."""
        if policy is not self._policy:
            document = policy.document
            tables = [document.enforce, *(role.enforce for role in document.roles.values())]
            self._named = _standing(
                measure for table in tables for each in table.values() for measure in each
            )
            self._policy = policy
        return self._named


def _enforced(policy: Policy, guests: Iterable[Seen]) -> frozenset[str]:
    """What the bands of these guests ask for where they are enforced."""
    subjects = (seen.subject for seen in guests)
    kinds = {(subject.roles, subject.modes) for subject in subjects if not subject.protected}
    return _standing(
        measure
        for roles, modes in kinds
        for band, mode in zip(policy.bands, modes, strict=True)
        if mode is Mode.ENFORCE
        for measure in policy.enforcement(band, roles)
    )


def _standing(measures: Iterable[Measure]) -> frozenset[str]:
    """The levers of measures that last."""
    return frozenset(lever_of(measure.do) for measure in measures if not measure.once)
