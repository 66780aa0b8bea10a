"""Who a guest was before: a new UUID on a known disk is the guest that ran with it.

What several guests may have is no sign of one: media that are read-only or shared by
definition are passed over, and an image that overlays have in common makes nobody kin,
because no guest ever ran with it as its own. What a guest could write while it ran is
its own, and an overlay of that is too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import nlargest
from math import inf
from os.path import normpath

import structlog

from trustd.errors import StoreError
from trustd.model import Disk, Guest, GuestId, GuestState
from trustd.pipeline.keeping import Keeping
from trustd.repository import Alias, Holding, Kin

log = structlog.get_logger()

LATEST = 900.0
"""Seconds by which a holder may have left before the last one and count beside it.

Who came later took over from who came before, and has perhaps lived it down. Longer
than the time between two saves, so that a daemon that was killed takes nobody for gone."""
_ALWAYS = 2
"""Holders of one alias that are kept whenever they left."""
LEAST = 0.001
"""Seconds that pass between two ticks at least, whatever the time of day says."""
_RUNS = (GuestState.RUNNING, GuestState.PAUSED)
_NONE: frozenset[Alias] = frozenset()


def own(guest: Guest) -> frozenset[Alias]:
    """What a guest alone may write to.

    >>> from trustd.model import Disk
    >>> disks = (Disk("vda", "/pool//a"), Disk("sda", "/tools.iso", kind="cdrom"))
    >>> sorted(own(Guest(GuestId("g"), "g", disks=disks, firmware="/nvram/a")))
    [Alias(kind='firmware', identity='/nvram/a'), Alias(kind='volume', identity='/pool/a')]
    """
    found = [Alias("volume", path(disk.identity)) for disk in guest.disks if _alone(disk)]
    found += [Alias("firmware", path(guest.firmware))] if guest.firmware else []
    found += [Alias("tpm", path(guest.tpm))] if guest.tpm else []
    return frozenset(found)


def layers(guest: Guest) -> frozenset[Alias]:
    """What the disks of a guest that it alone may write to are overlays of."""
    return frozenset(
        Alias("backing", path(layer))
        for disk in guest.disks
        if _alone(disk)
        for layer in disk.backing
    )


def path(identity: str) -> str:
    """An identity, one a file however its path is written.

    >>> path("/pool/./x/../a"), path("//pool/a"), path("rbd://ceph/../pool/a")
    ('/pool/a', '/pool/a', 'rbd://ceph/../pool/a')
    """
    return "/" + normpath(identity).lstrip("/") if identity.startswith("/") else identity


class Kinship:
    """Remembers what guests ran with, and finds whom a guest takes over from.

    A guest takes over when it is defined or starts with what another one ran with
    since. While it runs nobody else can make it anyone's heir.
    """

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping
        self._guests: Mapping[GuestId, Guest] = {}
        self._running: dict[GuestId, frozenset[Alias]] = {}
        # whoever ran with it; of a backing image only those that are watched
        self._last: dict[Alias, dict[GuestId, float]] = {}
        self._left: set[GuestId] = set()
        self._taken: dict[GuestId, dict[GuestId, float]] = {}
        self._now = -inf
        self._failed = False

    def follow(self, guests: Mapping[GuestId, Guest], *, at: float) -> Sequence[Kin]:
        """Take in the inventory of a tick; who took over from whom in it.

        Args:
            at: epoch seconds. Setting the clock back makes nobody the earlier one.
        """
        if guests is self._guests:
            return ()
        changed = [
            each
            for each in guests.values()
            if (before := self._guests.get(each.id)) is not each and before != each
        ]
        gone = [id_ for id_ in self._guests.keys() - guests.keys() if id_ in self._running]
        if not self._read(changed):
            return ()
        self._left.difference_update(each.id for each in changed)
        self._now = max(self._now + LEAST, at)
        found = [kin for guest in changed for kin in self._kin(guest)]
        for kin in found:
            self._taken.setdefault(kin.heir, {})[kin.forebear] = kin.at
        self._enter([each.id for each in changed if each.id in self._running] + gone)
        for id_ in gone:
            del self._running[id_]
        for guest in changed:
            self._running.pop(guest.id, None)
            if guest.state in _RUNS:
                self._running[guest.id] = own(guest) | layers(guest)
        self._enter([each.id for each in changed if each.id in self._running])
        self._keeping.relate(kin=found)
        self._guests = guests
        return found

    def save(self, *, at: float) -> None:
        """Keep that what runs still runs."""
        self._now = max(self._now + LEAST, at)
        self._enter(self._running)
        if self._left and not self._keeping.error:
            self._let_go()

    def forget(self, guest: GuestId) -> None:
        """Take in that a guest is gone for good: with a save its part of memory goes too."""
        self._left.add(guest)

    def _let_go(self) -> None:
        """Drop from memory what only guests that left need; the disk keeps it.

        Whatever is needed again is read again.
        """
        for guest in self._left:
            self._taken.pop(guest, None)
        held = set().union(*self._running.values())
        for alias, who in list(self._last.items()):
            if alias.kind == "backing":
                for guest in self._left & who.keys():
                    del who[guest]
                needed = bool(who)
            else:
                image = (alias, *_under(alias))
                needed = not held.isdisjoint(image) or not self._taken.keys().isdisjoint(who)
            if not needed:
                del self._last[alias]
        self._left.clear()

    def _read(self, guests: Collection[Guest]) -> bool:
        """Whether everything is known that was ever kept of these guests and their aliases."""
        asked = {(alias, guest.id) for guest in guests for alias in _all_of(guest)}
        wanted = {alias for alias, _ in asked if alias.kind != "backing"} - self._last.keys()
        # an image that many lie on has many holders, and only the heir's own time counts
        times = {
            (alias, id_)
            for alias, id_ in asked
            if alias.kind == "backing" and id_ not in self._last.get(alias, {})
        }
        heirs = [guest.id for guest in guests if guest.id not in self._taken]
        try:
            if self._now == -inf:
                self._now = self._keeping.aliases.latest()
            holders = self._keeping.aliases.holders(wanted) if wanted else {}
            since = self._keeping.aliases.held(times) if times else {}
            taken = self._keeping.aliases.forebears(heirs) if heirs else {}
        except StoreError as error:
            if not self._failed:
                log.error("nobody's heirs are known", error=str(error))  # noqa: TRY400 - the disk's mistake
            self._failed = True
            return False
        self._failed = False
        self._last.update({alias: dict(holders.get(alias, {})) for alias in wanted})
        for alias, id_ in times:
            self._last.setdefault(alias, {})[id_] = since.get((alias, id_), -inf)
        self._taken.update({heir: dict(taken.get(heir, {})) for heir in heirs})
        return True

    def _kin(self, guest: Guest) -> Iterator[Kin]:
        """From whom a guest takes over now, as it stood before this tick; each once."""
        known = self._running.get(guest.id, _NONE)
        found: dict[GuestId, Kin] = {}
        for alias in (own(guest) | layers(guest)) - known:
            for forebear in self._forebears(guest.id, alias):
                found[forebear] = Kin(guest.id, forebear, self._now, alias)
        yield from found.values()

    def _forebears(self, heir: GuestId, alias: Alias) -> Iterator[GuestId]:
        """Who ran with something as its own, the last or about then, and since the heir did."""
        held = Alias("volume", alias.identity) if alias.kind == "backing" else alias
        others = {
            id_: self._now if held in self._running.get(id_, _NONE) else last
            for id_, last in self._last.get(held, {}).items()
            if id_ != heir
        }
        since = max(self._last.get(each, {}).get(heir, -inf) for each in {held, *_under(held)})
        latest = max(others.values(), default=-inf)
        for id_, last in others.items():
            if last >= latest - LATEST and last > max(since, self._taken[heir].get(id_, -inf)):
                yield id_

    def _enter(self, guests: Collection[GuestId]) -> None:
        """Note that these run, or ran until now, and whoever else runs with the same."""
        aliases = {alias for id_ in guests for alias in self._running[id_]}
        both = {each for alias in aliases for each in (alias, *_under(alias))}
        holdings = []
        for id_, held in self._running.items():
            for alias in held & both if id_ not in guests else held:
                self._last.setdefault(alias, {})[id_] = self._now
                holdings.append(Holding(alias, id_, self._now, self._now))
        self._keeping.relate(holdings)
        for alias in both & self._last.keys():
            self._shorten(alias)

    def _shorten(self, alias: Alias) -> None:
        """Drop holders of whom nobody can take over any more, now that all who run were noted.

        Without it a disk that is used under one new UUID after the other would be
        remembered with all of them. Whoever left LATEST before the last two of the others did
        is nobody's forebear, and when it comes back as an heir all forebears were later.
        """
        who = self._last[alias]
        if alias.kind == "backing" or len(who) <= _ALWAYS:
            return
        second = nlargest(_ALWAYS, who.values())[-1]
        if min(who.values()) < second - LATEST:
            self._last[alias] = {id_: at for id_, at in who.items() if at >= second - LATEST}


def _alone(disk: Disk) -> bool:
    fixed = disk.kind in ("disk", "lun")
    return fixed and bool(disk.identity) and not disk.readonly and not disk.shared


def _all_of(guest: Guest) -> Iterator[Alias]:
    """Everything that has to be known of a guest's aliases."""
    for alias in own(guest) | layers(guest):
        yield alias
        yield from _under(alias)


def _under(alias: Alias) -> Iterator[Alias]:
    """The same image in its other part: as a guest's own, or as what its disk lies on."""
    if alias.kind == "volume":
        yield Alias("backing", alias.identity)
    elif alias.kind == "backing":
        yield Alias("volume", alias.identity)
