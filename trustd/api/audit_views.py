"""What an audit trail adds up to, as the API shows it; without a daemon too."""

from __future__ import annotations

from collections.abc import Mapping

from trustd.api.audit_shapes import GuestThen, LabelsThen, OrderThen, StateDoc
from trustd.repository.present import Present


def state(present: Present) -> StateDoc:
    """The document of a replayed trail; everything in the order of its name."""
    return StateDoc(
        last=present.last,
        at=present.at,
        run=present.run,
        policy=present.policy,
        guests=[_guest(present, guest) for guest in sorted({*present.guests, *present.narrowed})],
        objects=_labels(present.objects),
        given=_labels(present.labels),
        orders=[OrderThen(*place, given) for place, given in sorted(present.orders.items())],
        incidents=sorted(present.incidents),
    )


def _guest(present: Present, guest: str) -> GuestThen:
    """A guest; one that is gone has devices left to give back."""
    seen = present.guests.get(guest, {"state": "gone"})
    return GuestThen(
        guest=guest,
        name=seen.get("name", ""),
        state=seen.get("state", ""),
        band=seen.get("band", ""),
        labels=seen.get("labels", {}),
        roles=seen.get("roles", ()),
        protected=bool(seen.get("protected")),
        narrowed=[" ".join(each).strip() for each in sorted(present.narrowed.get(guest, ()))],
    )


def _labels(found: Mapping[tuple[str, str], Mapping[str, str]]) -> list[LabelsThen]:
    return [LabelsThen(*place, labels) for place, labels in sorted(found.items())]
