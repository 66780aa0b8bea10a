"""What is recommended in an incident: a table, and its reading."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from trustd.api.incident_shapes import AdviceDoc
from trustd.model.incident import Conclusion, Incident, IncidentState


class Advice(NamedTuple):
    """One row.

    Args:
        signs: beginnings of names of features and findings; of ``action STATUS``; ``hold``.
        text: what to look at.
        commands: with ``{guest}`` for the guest's UUID and ``{number}`` for the incident's.
    """

    signs: tuple[str, ...]
    text: str
    commands: tuple[str, ...] = ()


ADVICE = (
    Advice(
        ("hold",),
        "Too many guests fell at once. Ask first what they share: a collector, a disk, a host"
        " under load, a new policy. Let them be narrowed only when it is them.",
        ("trustctl status", "trustctl hold", 'trustctl hold accept --reason "..."'),
    ),
    Advice(
        ("disk.write", "disk.flush"),
        "It writes more than its like. Ask whether a backup, an update or a restore runs in it;"
        " else suspect encryption of its data, and keep its snapshots and backups out of reach.",
        ("trustctl guest {guest}",),
    ),
    Advice(
        ("disk.",),
        "Its disk traffic is unusual. Look at which disk it is, and who else uses that storage.",
        ("trustctl guest {guest}",),
    ),
    Advice(
        ("net.", "nic."),
        "Its network traffic is unusual. Look at flows on its interfaces; capture some packets"
        " before you cut it off.",
        ("trustctl guest {guest}",),
    ),
    Advice(
        ("cpu.", "vcpu."),
        "It uses the processor as it did not before. Ask for a new job in it; else suspect"
        " mining, or a loop after a fault.",
        ("trustctl guest {guest}",),
    ),
    Advice(
        ("memory.", "balloon."),
        "Its memory behaves unusually. Look at pressure inside it and at the host's.",
        ("trustctl guest {guest}", "trustctl status"),
    ),
    Advice(
        ("detach-refused",),
        "It was asked to let go of a device and does not. A guest without a driver for that"
        " refuses too: see whether its system can, or shut it down.",
        ("trustctl guest {guest}",),
    ),
    Advice(
        ("disk-of-distrusted-guest",),
        "It runs with a disk that a guest had which is not trusted. See who that was, and"
        " whether the disk was cleaned.",
        ("trustctl explain {guest}",),
    ),
    Advice(
        ("action failed", "action refused", "action timed-out"),
        "A measure did not come about: the guest is freer than the policy has it. See why, and"
        " do it by hand if need be.",
        ("trustctl guest {guest}", "trustctl status"),
    ),
    Advice(
        ("action would-apply",),
        "This guest is only observed: nothing was done to it.",
        ('trustctl override {guest} --band BAND --at-most --for 2h --reason "..."',),
    ),
)
"""What fits is said in this order, each once."""

_ALWAYS = Advice(
    (),
    "Read what was held against it, and what gives its trust back.",
    ("trustctl explain {guest}",),
)
_ACKNOWLEDGE = Advice(
    (),
    "Say that somebody is on it.",
    ("trustctl incident {number} ack", "trustctl incident {number} assign NAME"),
)
_CONCLUDE = Advice(
    (),
    "It recovered. Say what it was.",
    ("trustctl incident {number} resolve false-alarm|attack|fault|maintenance",),
)
_AFTER = {
    Conclusion.FALSE_ALARM: Advice(
        (),
        "The conclusion changes no trust by itself. If what it did is normal, say so, and widen"
        " what the policy expects of it.",
        ('trustctl ack {guest} benign --reason "..."',),
    ),
    Conclusion.MAINTENANCE: Advice(
        (),
        "The conclusion changes no trust by itself. Say that it was meant; before the next"
        " maintenance, release the guest for its time.",
        (
            'trustctl ack {guest} benign --reason "..."',
            'trustctl release {guest} --for 2h --reason "..."',
        ),
    ),
    Conclusion.ATTACK: Advice(
        (),
        "The conclusion changes no trust by itself. Say that it was an attack, so that nothing"
        " is learned from it, and keep the guest narrow until it was rebuilt.",
        (
            'trustctl ack {guest} attack --reason "..."',
            'trustctl override {guest} --band BAND --at-most --for 7d --reason "..."',
        ),
    ),
}


def advised(incident: Incident, statuses: Collection[str]) -> Iterator[AdviceDoc]:
    """What is recommended now, the most urgent first.

    Args:
        statuses: what became of actions on the guest meanwhile.
    """
    if incident.open and incident.acknowledged is None:
        yield _said(_ACKNOWLEDGE, incident)
    if incident.state is IncidentState.RECOVERED:
        yield _said(_CONCLUDE, incident)
    if incident.open:
        # an envelope's finding is called after its feature
        names = [each.name.partition(" ")[0] for each in incident.marks if each.kind == "evidence"]
        signs = [each.removeprefix("envelope:") for each in names]
        signs += [f"action {status}" for status in sorted(statuses)]
        if not incident.guest:
            signs.append("hold")
        unexplained = set(signs)
        for row in ADVICE:
            found = {sign for sign in unexplained if sign.startswith(row.signs)}
            if found:
                unexplained -= found
                yield _said(row, incident)
        if incident.guest:
            yield _said(_ALWAYS, incident)
    elif incident.guest and incident.conclusion in _AFTER:
        yield _said(_AFTER[incident.conclusion], incident)


def _said(row: Advice, incident: Incident) -> AdviceDoc:
    # the UUID: a name is the guest's owner's, and would be pasted into a shell
    commands = [each.format(guest=incident.guest, number=incident.number) for each in row.commands]
    return AdviceDoc(row.text, commands)
