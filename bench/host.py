"""A hypervisor of as many guests as one likes, whose replies are those of libvirt.

Nobody has a host with ten thousand guests at hand. What libvirt gives for a guest (names,
order and kinds of its fields, a dictionary with strings of its own for every guest and
call) is given here for guests of a few usual shapes, with counters that move as loads do:
by the hour of the day, in bursts, or hardly at all. Reading that reply is trustd's own code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import pi, sin

import numpy as np

from bench.clock import Clock
from trustd.hypervisor.queries import whole_statistics
from trustd.model import (
    Disk,
    Guest,
    GuestEvent,
    GuestId,
    GuestState,
    HypervisorCondition,
    Nic,
    Reading,
)

DAY = 86400.0
_ACTIVE_FLAG = 1


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of guest has."""

    name: str
    vcpus: int
    nics: int
    disks: int


SHAPES = (Shape("web", 2, 1, 1), Shape("db", 4, 1, 3), Shape("gateway", 1, 3, 1))


Field = tuple[str, int, float]
"""A field's name, its first value, and by how much it grows in a second."""


def fields(shape: Shape) -> Iterator[Field]:
    """The fields of a guest's record, in libvirt's order.

    >>> [name for name, _, _ in fields(SHAPES[0])][:3]
    ['state.state', 'state.reason', 'cpu.time']
    """
    yield from (("state.state", 1, 0), ("state.reason", 1, 0))
    yield from (("cpu.time", 10**12, 2e8), ("cpu.user", 10**11, 1e8), ("cpu.system", 10**11, 5e7))
    yield from (("balloon.current", 2**22, 0), ("balloon.maximum", 2**22, 0))
    yield from (("balloon.swap_in", 0, 0), ("balloon.swap_out", 0, 0))
    yield from (("balloon.major_fault", 100, 0.1), ("balloon.minor_fault", 10**6, 50))
    yield from (("balloon.unused", 10**6, 0), ("balloon.available", 4 * 10**6, 0))
    yield from (("balloon.usable", 2 * 10**6, 0), ("balloon.last-update", 0, 0))
    yield from (("balloon.disk_caches", 10**5, 0), ("balloon.hugetlb_pgalloc", 0, 0))
    yield from (("balloon.hugetlb_pgfail", 0, 0), ("balloon.rss", 2 * 10**6, 0))
    yield from (("vcpu.current", shape.vcpus, 0), ("vcpu.maximum", shape.vcpus, 0))
    for index in range(shape.vcpus):
        yield f"vcpu.{index}.state", 1, 0
        for name, pace in (("time", 1e8), ("wait", 1e4), ("delay", 1e5)):
            yield f"vcpu.{index}.{name}", 10**10, pace
    yield from _network(shape.nics)
    yield from _disks(shape.disks)


def _network(nics: int) -> Iterator[Field]:
    yield "net.count", nics, 0
    for index in range(nics):
        yield f"net.{index}.name", 0, 0
        for way in ("rx", "tx"):
            for what, pace in (("bytes", 2e4), ("pkts", 30), ("errs", 0), ("drop", 0)):
                yield f"net.{index}.{way}.{what}", 10**6, pace


def _disks(disks: int) -> Iterator[Field]:
    yield "block.count", disks, 0
    for index in range(disks):
        yield f"block.{index}.name", 0, 0
        yield f"block.{index}.path", 0, 0
        for way, scale in (("rd", 1), ("wr", 2), ("fl", 0.1)):
            for what, pace in (("reqs", 2), ("bytes", 2e4), ("times", 1e6)):
                if (way, what) != ("fl", "bytes"):
                    yield f"block.{index}.{way}.{what}", 10**6, pace * scale
        for name in ("allocation", "capacity", "physical"):
            yield f"block.{index}.{name}", 10**9, 0


class _Record:
    """One domain of the reply, as far as its UUID is asked for."""

    __slots__ = ("_uuid",)

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid

    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        return self._uuid


class _Herd:
    """The guests of one shape: their counters, a row a guest."""

    def __init__(self, shape: Shape, seed: int) -> None:
        known = list(fields(shape))
        # libvirt makes every name anew for every guest; a slice of a longer one is new as well
        self._padded = [f"{name}." for name, _, _ in known]
        self._first = np.array([first for _, first, _ in known], np.int64)
        self._pace = np.array([pace for _, _, pace in known])
        self._told = self._padded.index("balloon.last-update.")
        self._words = [name for name, _, _ in known if name.endswith((".name", ".path"))]
        self._random = np.random.default_rng((seed, shape.vcpus))
        self._counters = np.empty((0, len(known)), np.int64)
        self._load = np.empty(0)
        self._rows: dict[GuestId, int] = {}

    def add(self, guests: Sequence[GuestId]) -> None:
        """Guests that booted: their counters begin where they do."""
        first = len(self._rows)
        self._rows.update((guest, first + place) for place, guest in enumerate(guests))
        begin = np.broadcast_to(self._first, (len(guests), len(self._first)))
        self._counters = np.concatenate([self._counters, begin])
        self._load = np.append(self._load, self._random.lognormal(0.0, 1.0, len(guests)))

    def restart(self, guest: GuestId) -> None:
        """Its counters begin anew."""
        self._counters[self._rows[guest]] = self._first

    def drop(self, guest: GuestId) -> None:
        """One that is gone from this host."""
        row = self._rows.pop(guest)
        self._rows = {id_: place - (place > row) for id_, place in self._rows.items()}
        self._counters = np.delete(self._counters, row, axis=0)
        self._load = np.delete(self._load, row)

    def run(self, seconds: float, at: float) -> None:
        """Let the counters move for some seconds until ``at``."""
        count = len(self._rows)
        day = 1.0 + 0.5 * sin(2 * pi * at / DAY)
        noise = self._random.gamma(4.0, 0.25, (count, len(self._pace)))
        burst = np.where(self._random.random(count) < _BURSTS, 8.0, 1.0)
        steps = noise * (self._load * day * burst)[:, None] * self._pace * seconds
        self._counters += steps.astype(np.int64)
        # the balloon's driver tells something every ten seconds
        self._counters[:, self._told] = int(at) // 10 * 10

    def records(self) -> Iterator[tuple[_Record, dict[str, int | str]]]:
        """What libvirt gives for each guest."""
        rows = self._counters.tolist()
        for guest, place in self._rows.items():
            record: dict[str, int | str] = dict(
                zip([name[:-1] for name in self._padded], rows[place], strict=True)
            )
            for name in self._words:
                record[name] = _word(name, guest)
            yield _Record(guest[:8] + guest[8:]), record


def _word(name: str, guest: GuestId) -> str:
    """A device's name, or the file that it is."""
    kind, index, what = name.split(".")
    target = f"vd{'abcd'[int(index)]}"
    if what == "path":
        return f"{IMAGES}/{guest}-{target}.qcow2"
    return target if kind == "block" else f"vnet{index}-{guest[-8:]}"


IMAGES = "/var/lib/libvirt/images"
_BURSTS = 0.002
"""How often a guest does eight times as much as it usually does, for one tick."""


class Host:
    """The Protocol of a hypervisor, over guests that are made up.

    Attributes:
        error: why it cannot be reached; empty while it can.
    """

    def __init__(self, clock: Clock, guests: int, seed: int = 1) -> None:
        self.error = ""
        self._clock = clock
        self._herds = {shape: _Herd(shape, seed) for shape in SHAPES}
        self._guests: Mapping[GuestId, Guest] = {}
        self._news: list[GuestEvent] = []
        self._reconnected = False
        self._ran = clock.at
        self._reply: list[tuple[_Record, dict[str, int | str]]] | None = None
        self.define(*map(stock_guest, range(guests)))

    def define(self, *guests: Guest) -> None:
        """Guests that come: new ones, or ones that were here before."""
        for shape, herd in self._herds.items():
            herd.add([each.id for each in guests if each.vcpus == shape.vcpus])
        self.change(*guests)

    def undefine(self, guest: GuestId) -> None:
        """One that goes."""
        self._herd(guest).drop(guest)
        self._guests = {id_: each for id_, each in self._guests.items() if id_ != guest}

    def change(self, *guests: Guest) -> None:
        """Another definition of some guests."""
        self._guests = {**self._guests, **{guest.id: guest for guest in guests}}

    def reboot(self, guest: GuestId) -> None:
        """Its counters begin anew, and it is told."""
        self._herd(guest).restart(guest)
        self.tell(guest, "reboot")

    def tell(self, guest: GuestId, kind: str, what: str = "", detail: str = "") -> None:
        """An event at the next tick."""
        name = self._guests[guest].name
        self._news.append(GuestEvent(guest, name, kind, self._clock.at, what, detail))

    def reconnect(self) -> None:
        """It answers again, and events may have been lost."""
        self.error, self._reconnected = "", True

    def prepare(self) -> None:
        """Make the reply of the present moment: libvirt's part of the work."""
        for herd in self._herds.values():
            herd.run(self._clock.at - self._ran, self._clock.at)
        self._ran = self._clock.at
        self._reply = [record for herd in self._herds.values() for record in herd.records()]

    def sample(self) -> Reading:
        """Read the reply, by the code that reads libvirt's."""
        at, clock = self._clock.at, self._clock.boot
        if self.error:
            return Reading(at, clock, error=self.error)
        if self._reply is None:
            self.prepare()
        return Reading(at, clock, whole_statistics(self).guests)

    def getAllDomainStats(  # noqa: N802 - libvirt's name
        self, _groups: int, flags: int
    ) -> Iterable[tuple[_Record, dict[str, int | str]]]:
        """Libvirt's bulk call."""
        if not flags & _ACTIVE_FLAG:
            return ()
        reply, self._reply = self._reply or [], None
        return reply

    def inventory(self) -> Mapping[GuestId, Guest]:
        """Every guest that is defined."""
        return self._guests

    def events(self) -> Sequence[GuestEvent]:
        """What was told since the last call."""
        told, self._news = self._news, []
        return told

    def resynced(self) -> bool:
        """Whether events may have been lost since the last call."""
        reconnected, self._reconnected = self._reconnected, False
        return reconnected

    def condition(self) -> HypervisorCondition:
        """Up where it answers."""
        return HypervisorCondition(not self.error, self._clock.at, self.error)

    def start(self) -> None:
        """Nothing is to be done."""

    def close(self) -> None:
        """Nothing is to be done."""

    def _herd(self, guest: GuestId) -> _Herd:
        vcpus = self._guests[guest].vcpus
        return next(herd for shape, herd in self._herds.items() if shape.vcpus == vcpus)


def stock_guest(number: int) -> Guest:
    """The guest of a number, of each shape in turn."""
    shape = SHAPES[number % len(SHAPES)]
    guest = GuestId(f"00000000-0000-4000-8000-{number:012d}")
    mac = f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    return Guest(
        guest,
        f"{shape.name}-{number}",
        GuestState.RUNNING,
        {"app": shape.name},
        vcpus=shape.vcpus,
        memory=4 * 2**30,
        balloon_period=10,
        disks=tuple(
            Disk(f"vd{name}", f"{IMAGES}/{guest}-vd{name}.qcow2") for name in "abcd"[: shape.disks]
        ),
        nics=tuple(
            Nic(f"{mac[:-3]}:{index:x}{mac[-1]}", f"net-{index}", f"vnet{index}-{guest[-8:]}")
            for index in range(shape.nics)
        ),
    )
