"""Running the daemon: the sockets, the signals, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from functools import partial

import structlog

from trustd.api import inherited_sockets, serve
from trustd.api.incident_shapes import IncidentEvents
from trustd.api.pace import Pace
from trustd.api.peer import peer_of
from trustd.daemon import interpreter
from trustd.daemon.build import Daemon
from trustd.daemon.pacing import follow_clock
from trustd.daemon.remembered import keep_remembering
from trustd.daemon.schedule import Schedule
from trustd.daemon.systemd import Notifier
from trustd.decisions import mount
from trustd.errors import TrustdError
from trustd.metrics import MetricsPage
from trustd.model import Fleet

log = structlog.get_logger()

STOP_SECONDS = 30.0
"""For what is under way, and for giving back and saving; then the process ends as it is."""


class KeepsFailing(TrustdError):
    """The daemon cannot do its work."""


_TICKS_OF_PATIENCE = 3
"""Ticks for which systemd's watchdog waits at least, whatever the unit says."""


async def run_until_stopped(daemon: Daemon) -> None:
    """Serve and tick until SIGTERM or SIGINT; SIGHUP reloads the policy.

    Raises:
        KeepsFailing: one tick after the other failed.
    """
    interpreter.prepare()
    loop = asyncio.get_running_loop()
    end: asyncio.Future[str] = loop.create_future()
    notifier = Notifier()

    def finish(error: str) -> None:
        if not end.done():
            end.set_result(error)

    def publish(fleet: Fleet, page: MetricsPage) -> None:
        loop.call_soon_threadsafe(daemon.live.publish, fleet, page)

    def give_up(error: str) -> None:
        loop.call_soon_threadsafe(finish, error)

    def tell(events: IncidentEvents) -> None:
        loop.call_soon_threadsafe(daemon.live.hub.tell, events)

    daemon.incidents.listen(tell)
    schedule = Schedule(daemon, notifier, publish=publish, give_up=give_up)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, finish, "")
    loop.add_signal_handler(signal.SIGHUP, schedule.reload)
    notifier.patience(_TICKS_OF_PATIENCE * daemon.settings.interval)
    try:
        error = await _serve(daemon, schedule, notifier, end)
    finally:
        daemon.access.recorder.flush()
        await _within(STOP_SECONDS, daemon.close)
    log.info("stopped")
    if error:
        raise KeepsFailing(error)


async def _serve(
    daemon: Daemon, schedule: Schedule, notifier: Notifier, end: asyncio.Future[str]
) -> str:
    """Until the end; why it came."""
    settings = daemon.settings
    tcp = (settings.listen.address, settings.listen.port) if settings.listen.enabled else None
    # systemd makes it (RuntimeDirectory=); by hand nobody did
    settings.socket.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    async with serve(
        daemon.live,
        settings.socket,
        tcp,
        inherited=inherited_sockets(),
        office=daemon.office,
        mounts=[
            partial(mount, daemon.access.desk(peer_of)),
            daemon.access.mount,
            daemon.feedback.mount,
            daemon.testimony.mount,
            daemon.ordering.mount,
            daemon.doorkeeper.mount,
            daemon.auditing.mount,
            daemon.gatekeeping.mount,
            daemon.notifying.mount,
            daemon.history.mount,
            daemon.incidents.mount,
            daemon.configuration.mount,
        ],
        pace=Pace(settings.limits.tcp, settings.limits.user, settings.limits.decisions),
    ) as listening:
        log.info("listening", socket=str(listening.socket_path), tcp=listening.tcp)
        await asyncio.to_thread(daemon.hypervisor.start)
        daemon.notifying.start()
        daemon.objects.start()
        schedule.start()
        clock = asyncio.create_task(follow_clock(schedule.scheduler))
        overview = asyncio.create_task(keep_remembering(daemon.live, daemon.history))
        notifier.ready("waiting for the first tick")
        error = await end
        clock.cancel()
        overview.cancel()
        notifier.stopping()
        # the line's thread may wait for a hypervisor that does not answer
        await _within(STOP_SECONDS, schedule.stop)
    return error


async def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do the last things; where they hang, end the process without them.

    What is narrowed stays so, and what was stored is there at the next start.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def run() -> None:
        try:
            work()
        except Exception:
            log.exception("failed", job="stop")
        loop.call_soon_threadsafe(done.set_result, None)

    # a thread that the interpreter does not wait for
    threading.Thread(target=run, name="stop", daemon=True).start()
    try:
        await asyncio.wait_for(done, seconds)
    except TimeoutError:
        log.critical("ended by force: something did not come back", seconds=seconds)
        os._exit(os.EX_SOFTWARE)
