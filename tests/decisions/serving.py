"""A served decision point over real sockets, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.api.fleets import FEATURES
from tests.conformance.client import Client
from trustd.api import Live, serve
from trustd.api.peer import peer_of
from trustd.config import DecisionSettings
from trustd.daemon.access import boot_clock
from trustd.decisions import Callers, DecisionPoint, Desk, Recorder, World, mount
from trustd.decisions.point import Clocks
from trustd.decisions.world import Directory
from trustd.metrics import Meters
from trustd.model import Guest, GuestId, GuestState
from trustd.pipeline import Registry, Seen
from trustd.policy import Policy, load_policy
from trustd.policy.walls import occupancy
from trustd.repository import Database, LabelStore, RulingLog, WallHistory

T = TypeVar("T")

AUTHZEN = Path(__file__).parents[1] / "conformance/authzen.yaml"


def policy(text: str | None = None) -> Policy:
    return load_policy(text or AUTHZEN.read_text("utf-8"), "policy.yaml")


def seen(policy: Policy, guest: Guest, band: str) -> Seen:
    """A guest in a band, as the line would seat it."""
    subject = policy.subject("guest", guest.id, guest.labels)
    assert subject is not None
    return Seen(guest, subject, policy.relays.start(band, at=0.0), 0.0)


def world(
    policy: Policy, guests: Mapping[Guest, str] | None = None, *, fresh_for: float = 3600.0
) -> World:
    """A world with these guests in these bands, at this moment."""
    here = {str(guest.id): seen(policy, guest, band) for guest, band in (guests or {}).items()}
    running = {
        id_: each.subject.values
        for id_, each in here.items()
        if each.guest.state is not GuestState.SHUTOFF
    }
    return World(
        Directory(policy, Registry.of(policy, None, {})),
        policy,
        here,
        dict.fromkeys(here, 0.9),
        occupancy(policy.walls, running),
        boot_clock(),
        fresh_for,
    )


def guest(number: int, **labels: str) -> Guest:
    """A running guest; the same UUID for the same number."""
    id_ = GuestId(f"00000000-0000-0000-0000-{number:012d}")
    return Hashed(id_, f"guest-{number}", GuestState.RUNNING, labels)


class Hashed(Guest):
    """A guest that can be a key."""

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass
class Serving:
    """What is served, and where."""

    point: DecisionPoint
    recorder: Recorder
    database: Database
    log: RulingLog
    labels: LabelStore
    socket: Path
    port: int
    loop: asyncio.AbstractEventLoop

    def unix(self, token: str = "") -> Client:
        return Client(f"unix:{self.socket}", token)

    def tcp(self, token: str = "") -> Client:
        return Client(f"http://127.0.0.1:{self.port}", token)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the loop that serves."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def records(self, **which: Any) -> list[Any]:
        """What was recorded, oldest first, when all of it is on the disk."""

        async def flush() -> None:
            self.recorder.flush()

        self.run(flush())
        self.database.write(lambda _: None)
        return list(reversed(self.log.last(most=1000, **which)))


@contextmanager
def serving(
    directory: Path,
    world: World,
    settings: Mapping[str, Any],
    *,
    walls: type = WallHistory,
    log: type = RulingLog,
) -> Iterator[Serving]:
    """Serve these decisions over a unix socket and TCP.

    ``walls`` and ``log`` are the classes of the stores of bindings and of records.
    """
    # a machine that is slow denies nothing here: who tests the deadline sets it
    given = DecisionSettings.model_validate({"deadline": "10s", **settings})
    database = Database(directory / "trustd.db")
    rulings = log(database, given.keep)
    meters = Meters("1.2.3")
    recorder = Recorder(
        rulings,
        lambda dialect, reason, n: meters.decisions.labels(dialect, reason).inc(n),
        everything=given.record == "all",
    )
    point = DecisionPoint(
        world, walls(database), recorder, Clocks(time.time, boot_clock), deadline=given.deadline
    )
    desk = Desk(point, Callers(given), peer_of, given.deadline, given.url)
    live = Live(FEATURES, meters, version="1.2.3")
    path = directory / "trustd.sock"
    ready: threading.Event = threading.Event()
    found: list[Serving] = []
    stop: list[asyncio.Event] = []

    async def main() -> None:
        stop.append(asyncio.Event())
        async with serve(live, path, ("127.0.0.1", 0), mounts=[partial(mount, desk)]) as listening:
            assert listening.tcp is not None
            loop = asyncio.get_running_loop()
            labels = LabelStore(database)
            port = listening.tcp[1]
            found.append(Serving(point, recorder, database, rulings, labels, path, port, loop))
            ready.set()
            await stop[0].wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    try:
        assert ready.wait(60), "the server did not start"
        yield found[0]
    finally:
        if found:
            found[0].loop.call_soon_threadsafe(stop[0].set)
        thread.join(20)
        database.close()
