"""What no field of the settings can check alone."""

from __future__ import annotations

from collections.abc import Iterable

from trustd.config.asking import Dialect
from trustd.config.keeping import LEAST_AUDIT
from trustd.config.settings import Settings
from trustd.config.telling import NotifySettings, ReceiverKind
from trustd.documents import Document, Keys
from trustd.errors import Problem


def referring(settings: Settings, document: Document) -> Iterable[Problem]:
    """Every mistake that no field can see alone, each at its place."""
    if settings.hypervisor.deadline >= settings.interval:
        yield document.problem(
            ("hypervisor", "deadline"),
            f"must be shorter than the interval of {settings.interval:g} s",
            "else one silent guest costs every guest its tick",
        )
    kept = settings.retention
    if kept.audit < LEAST_AUDIT and not kept.force:
        yield document.problem(
            ("retention", "audit"),
            "audit and access records are kept for 183 days at least",
            "set retention.force where nothing obliges you to",
        )
    if Dialect.EVIDENCE in settings.decisions.open:
        hint = "register every sender in decisions.callers"
        yield document.problem(("decisions", "open"), "evidence is not taken from anybody", hint)
    names: set[str] = set()
    for index, caller in enumerate(settings.decisions.callers):
        keys: Keys = ("decisions", "callers", index)
        if caller.name in names:
            yield document.problem((*keys, "name"), f'there are two callers named "{caller.name}"')
        names.add(caller.name)
        if caller.user is None and caller.group is None and caller.token is None:
            hint = "give it a user, a group or a token"
            yield document.problem(keys, "nothing tells who this caller is", hint)
        if "guest" in caller.subjects:
            hint = "label the guest on the host"
            yield document.problem((*keys, "subjects"), "nobody brings properties of guests", hint)
    yield from _receivers(settings.notify, document)


_NEEDS = {
    ReceiverKind.ALERTMANAGER: ("url", ("token", "ca")),
    ReceiverKind.WEBHOOK: ("url", ("token", "ca", "secret")),
    ReceiverKind.COMMAND: ("command", ()),
    ReceiverKind.JOURNALD: ("", ()),
}
"""By kind: what must be said of it, and what may be."""


def _receivers(notify: NotifySettings, document: Document) -> Iterable[Problem]:
    names: set[str] = set()
    for index, receiver in enumerate(notify.receivers):
        keys: Keys = ("notify", "receivers", index)
        if receiver.name in names:
            told = f'there are two receivers named "{receiver.name}"'
            yield document.problem((*keys, "name"), told)
        names.add(receiver.name)
        needed, allowed = _NEEDS[receiver.kind]
        if needed and not getattr(receiver, needed):
            yield document.problem(keys, f"{receiver.kind} needs {needed}")
        for name in ("url", "token", "ca", "secret", "command"):
            if getattr(receiver, name) and name not in (needed, *allowed):
                yield document.problem((*keys, name), f"{receiver.kind} takes no {name}")
