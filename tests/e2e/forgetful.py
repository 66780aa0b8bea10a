"""trustd as it would be without its ledger: what it knows of a guest lives and dies with what
libvirt keeps of it. For the tests that show what the ledger is good for; run like ``trustd``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Any

from collectors.lifecycle import Lifecycle
from trustd.daemon import build
from trustd.daemon.cli import main
from trustd.enforce import Enforcer, EnforceSettings
from trustd.model import GuestEvent, GuestId
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.kinship import Kinship
from trustd.pipeline.line import Line
from trustd.repository import IntentLedger
from trustd.trust import Engine

REPLACED = {"defined", "undefined", "started"}
"""What libvirt keeps with a guest's definition and its run is another one afterwards."""

listen = Line._listen


def forgetting(self: Line) -> Sequence[GuestEvent]:
    events = listen(self)
    for event in events:
        if event.kind == "lifecycle" and event.what in REPLACED:
            forget(self, event.guest)
    return events


def forget(line: Line, guest: GuestId) -> None:
    roster: Any = line._roster
    if guest not in roster.sightings:
        return
    line._stages.engine.retire(guest)
    line._stages.narrowing.forget(guest)
    line._acting.forget(guest)
    roster._news.forget(guest)
    roster.sightings.forget(guest)
    for each in (roster._gone, roster._behaviours):
        each.pop(guest, None)
    roster.guests = {id_: each for id_, each in roster.guests.items() if id_ != guest}


def dismember() -> None:
    """Take every part of the ledger out of this process."""
    Line._listen = forgetting  # type: ignore[method-assign]
    Keeping.recall = lambda *_: {}  # type: ignore[method-assign]
    Keeping.engine = lambda _, features: Engine(features)  # type: ignore[method-assign]
    Kinship.follow = lambda *_, **__: ()  # type: ignore[method-assign]
    Enforcer.resync = lambda _: None  # type: ignore[method-assign]
    Enforcer.mark = lambda *_: None  # type: ignore[method-assign]
    build.EnforceSettings = partial(EnforceSettings, audit=inf)  # type: ignore[assignment, misc]
    Lifecycle.notice = lambda *_: ()  # type: ignore[method-assign]
    IntentLedger.intents = lambda _: ()  # type: ignore[method-assign]


if __name__ == "__main__":
    dismember()
    main()
