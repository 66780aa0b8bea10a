"""What a policy says that is allowed, but hardly meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trustd.documents import Document, Keys, did_you_mean
from trustd.errors import Problem
from trustd.model import Mode
from trustd.policy.actions import resolve_all
from trustd.policy.compile import Policy
from trustd.policy.terms import GUEST, SubjectRef

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Warned:
    """One doubt about a policy.

    Args:
        code: stable, such as ``unused-role``.
    """

    code: str
    problem: Problem


def lint(policy: Policy, document: Document, *, at: float) -> tuple[Warned, ...]:
    """Every doubt, in the order of the document.

    Args:
        document: the one that the policy was compiled from.
        at: epoch seconds, to tell exceptions that are over.
    """
    found = [
        Warned(code, document.problem(keys, message, hint, at_key=True))
        for check in (_unused, _roles, _bands, _modes, _exceptions, _spelling)
        for code, keys, message, hint in check(policy, at)
    ]
    return tuple(sorted(found, key=lambda w: (w.problem.line, w.problem.column, w.code)))


Doubt = tuple[str, Keys, str, str]


def _unused(policy: Policy, _at: float) -> Iterator[Doubt]:
    document = policy.document
    given = {role for rule in document.subjects for role in rule.roles}
    for role in document.roles:
        if role not in given:
            hint = "add a rule under subjects, or remove it"
            yield "unused-role", ("roles", role), f'no subject ever has the role "{role}"', hint
    used = {rule.object for rule in document.forbid}
    used |= {rule.object for rule in document.never}
    used |= {rule.object for rule in document.exceptions}
    for entry in document.roles.values():
        used |= {permit.object for permit in entry.permits}
        used |= {drop.object for narrow in entry.narrow.values() for drop in narrow.drop}
    for name in document.objects:
        if name not in used:
            yield "unused-objects", ("objects", name), "no rule speaks of these objects", ""


def _roles(policy: Policy, _at: float) -> Iterator[Doubt]:
    sets = policy.document.actions
    for name, role in policy.document.roles.items():
        grants = policy.grants_of_role(name)
        permitted = {grant.action for grant in grants}
        dead = {g.object_set for g in grants} - {g.object_set for g in grants if g.cap_floor >= 0}
        for index, permit in enumerate(role.permits):
            if permit.object in dead:
                keys: Keys = ("roles", name, "permits", index)
                yield "dead-permit", keys, "no band leaves any of this", "see the best band's cap"
        for band, narrow in role.narrow.items():
            inner = ("roles", name, "narrow", band)
            for index, drop in enumerate(narrow.drop):
                if not resolve_all(drop.actions, sets) & permitted:
                    message = "drops actions that this role does not permit"
                    yield "idle-drop", (*inner, "drop", index), message, ""
            if narrow.keep is not None:
                idle = sorted(resolve_all(narrow.keep, sets) - permitted)
                if idle:
                    message = f"keeps what this role does not permit: {', '.join(idle)}"
                    yield "idle-keep", (*inner, "keep"), message, "keeping grants nothing"


def _bands(policy: Policy, _at: float) -> Iterator[Doubt]:
    document = policy.document
    grants = [grant for role in document.roles for grant in policy.grants_of_role(role)]
    for rank in range(1, len(policy.bands)):
        name = policy.bands[rank]
        acts = name in document.enforce or any(
            name in role.enforce for role in document.roles.values()
        )
        changes = any(
            grant.open_in(rank - 1, 0)
            and (not grant.open_in(rank, 0) or grant.drops[rank] != grant.drops[rank - 1])
            for grant in grants
        )
        shuts = any(
            open_in[rank] is not open_in[rank - 1] for open_in in (policy.starts, policy.manages)
        )
        if not changes and not acts and not shuts:
            message = f'the band "{name}" takes nothing away and does nothing'
            yield "idle-band", ("trust", "bands", rank), message, "give it a cap"
    newcomer = policy.newcomer_of(())
    if newcomer.probation == policy.bands[0]:
        keys = ("behaviour", "default", "probation")
        yield "trusting-probation", keys, "newcomers are in the best band before they earn it", ""


def _modes(policy: Policy, _at: float) -> Iterator[Doubt]:
    for name, role in policy.document.roles.items():
        if role.mode is not Mode.ENFORCE:
            continue
        for band in policy.document.trust.bands:
            if band.mode is Mode.OBSERVE:
                message = f'enforces, but the band "{band.name}" observes, and that wins'
                yield "mode-conflict", ("roles", name, "mode"), message, ""


def _exceptions(policy: Policy, at: float) -> Iterator[Doubt]:
    for index, entry in enumerate(policy.document.exceptions):
        keys: Keys = ("exceptions", index)
        if entry.until <= at:
            yield "exception-over", (*keys, "until"), "is over", "remove it"
    whom: list[tuple[Keys, SubjectRef]] = [
        (("exceptions", index, "subject"), entry.subject)
        for index, entry in enumerate(policy.document.exceptions)
    ]
    whom += [(("protect", index), who) for index, who in enumerate(policy.document.protect)]
    for place, who in whom:
        if who.type == GUEST and any(not _UUID.fullmatch(identity) for identity in who.id or ()):
            message = "guests are known by their UUID in lower case; this fits none"
            yield "guest-by-name", (*place, "id"), message, "or use select"


def _spelling(policy: Policy, _at: float) -> Iterator[Doubt]:
    """An action that is named once, by itself, and is nearly another one."""
    sets = policy.document.actions
    declared = resolve_all(sets, sets)
    for name, role in policy.document.roles.items():
        for index, permit in enumerate(role.permits):
            for action in permit.actions:
                if action in declared or action in sets:
                    continue
                hint = did_you_mean(action, (declared | set(sets)) - {action})
                if hint:
                    keys = ("roles", name, "permits", index, "actions")
                    yield "nearly-an-action", keys, f'"{action}" is in no set of actions', hint
