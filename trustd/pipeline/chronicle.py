"""What has to be written down so that every answer can be given again later.

Bands are in the journal already. Beside them stands, whenever it changes: who is there, with
which labels, roles and devices, whether it runs, and which labels objects have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan

from trustd.model import GuestId, Mode, ObjectRef
from trustd.pipeline.registry import NO_LABELS, Registry
from trustd.pipeline.verdict import Seen
from trustd.repository import OBJECT, SEEN, Entry

Labels = Mapping[str, str]

GONE = "gone"
"""The state of a guest that is not there any more."""


class Chronicle:
    """Compares every tick with what was told of it last.

    Args:
        objects: the labels of objects as an earlier run of the daemon told them.
    """

    def __init__(self, objects: Mapping[ObjectRef, Labels]) -> None:
        self._objects = dict(objects)
        self._registry: Registry | None = None
        self._seen: dict[str, Seen] = {}

    def of(
        self,
        guests: Mapping[str, Seen],
        trust: Mapping[str, float],
        registry: Registry,
        *,
        at: float,
    ) -> tuple[Entry, ...]:
        """What is new.

        Args:
            guests: by UUID, all that are there.
            trust: of each; NaN where there is none.
            at: epoch seconds.
        """
        entries = [
            _seen_entry(seen, trust.get(id_, float("nan")), at)
            for id_, seen in guests.items()
            # the subject is made anew when anything of the guest, its labels or the policy changes
            if id_ not in self._seen or self._seen[id_].subject is not seen.subject
        ]
        entries += [
            Entry(at, GuestId(id_), self._seen[id_].guest.name, SEEN, {"state": GONE})
            for id_ in self._seen.keys() - guests.keys()
        ]
        self._seen = dict(guests)
        if registry is not self._registry:
            self._registry = registry
            entries += self._relabelled(registry.objects, at)
        return tuple(entries)

    def _relabelled(self, objects: Mapping[ObjectRef, Labels], at: float) -> Iterator[Entry]:
        for ref in objects.keys() | self._objects.keys():
            before, after = self._objects.get(ref, NO_LABELS), objects.get(ref, NO_LABELS)
            if before != after:
                document = {
                    "type": ref.type,
                    "id": ref.id,
                    "before": dict(before),
                    "labels": dict(after),
                }
                yield Entry(at, GuestId(""), "", OBJECT, document)
        self._objects = dict(objects)


def _seen_entry(seen: Seen, trust: float, at: float) -> Entry:
    return Entry(
        at,
        seen.guest.id,
        seen.guest.name,
        SEEN,
        {
            "state": seen.guest.state,
            "labels": dict(seen.guest.labels),
            "roles": list(seen.subject.roles),
            "band": seen.band,
            "protected": seen.subject.protected,
            "observed": set(seen.subject.modes) == {Mode.OBSERVE},
            "trust": None if isnan(trust) else round(trust, 4),
            "policy": seen.subject.policy,
            "disks": [[each.target, each.identity, each.readonly] for each in seen.guest.disks],
            "nics": [[each.mac, each.network] for each in seen.guest.nics],
            "devices": [each.identity for each in seen.guest.host_devices],
        },
    )
