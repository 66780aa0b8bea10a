"""Running the daemon: the scheduler, the sockets, the signals."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import structlog
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from trustd.api import inherited_sockets, serve
from trustd.api.peer import peer_of
from trustd.daemon.build import Daemon
from trustd.daemon.systemd import Notifier
from trustd.decisions import mount
from trustd.model import Fleet

log = structlog.get_logger()

LINE, PROBES = "line", "probes"
SWITCH_SECONDS = 0.001
"""How long a thread may keep the interpreter from the event loop."""


async def run_until_stopped(daemon: Daemon) -> None:
    """Serve and tick until SIGTERM or SIGINT; SIGHUP reloads the policy."""
    sys.setswitchinterval(SWITCH_SECONDS)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    notifier = Notifier()
    scheduler = _scheduler(daemon, loop, notifier)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: _reload(scheduler, daemon, notifier))
    settings = daemon.settings
    tcp = (settings.listen.address, settings.listen.port) if settings.listen.enabled else None
    # systemd makes it (RuntimeDirectory=); by hand nobody did
    settings.socket.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        async with serve(
            daemon.live,
            settings.socket,
            tcp,
            inherited=inherited_sockets(),
            office=daemon.office,
            mounts=[partial(mount, daemon.access.desk(peer_of))],
        ) as listening:
            log.info("listening", socket=str(listening.socket_path), tcp=listening.tcp)
            daemon.hypervisor.start()
            scheduler.start()
            notifier.ready("waiting for the first tick")
            await stop.wait()
            notifier.stopping()
            # the line's thread may wait for a hypervisor that does not answer
            await asyncio.to_thread(scheduler.shutdown, wait=True)
    finally:
        daemon.access.recorder.flush()
        await asyncio.to_thread(daemon.close)
    log.info("stopped")


def _scheduler(
    daemon: Daemon, loop: asyncio.AbstractEventLoop, notifier: Notifier
) -> BackgroundScheduler:
    scheduler = BackgroundScheduler(
        executors={
            # one thread: a tick, a reload and a save never overlap
            LINE: ThreadPoolExecutor(1),
            PROBES: ThreadPoolExecutor(max(1, len(daemon.probing.probes))),
        },
        job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        timezone=UTC,
    )

    def tick() -> None:
        fleet = daemon.tick()
        loop.call_soon_threadsafe(daemon.live.publish, fleet, daemon.page(fleet))
        notifier.status(status_line(fleet))
        notifier.alive()

    def overrun(event: JobExecutionEvent) -> None:
        if event.job_id == LINE:
            daemon.line.overrun()

    def failed(event: JobExecutionEvent) -> None:
        log.error("failed", job=event.job_id, exc_info=event.exception)

    def every(seconds: float, job: Callable[[], None], name: str, executor: str) -> None:
        scheduler.add_job(job, "interval", seconds=seconds, id=name, executor=executor)

    scheduler.add_listener(overrun, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED)
    scheduler.add_listener(failed, EVENT_JOB_ERROR)
    every(daemon.settings.interval, tick, LINE, LINE)
    every(daemon.settings.save, daemon.save, "save", LINE)
    for probe in daemon.probing.probes:
        every(probe.every, partial(daemon.probing.round, probe), f"probe {probe.name}", PROBES)
    # the first tick is now, not an interval from now
    scheduler.modify_job(LINE, next_run_time=datetime.now(UTC))
    return scheduler


def _reload(scheduler: BackgroundScheduler, daemon: Daemon, notifier: Notifier) -> None:
    """Have the line take over a new policy between two ticks."""

    def reload() -> None:
        notifier.reloading()
        daemon.reload()
        notifier.ready("reloaded")

    scheduler.add_job(reload, executor=LINE, name="reload", id="reload", replace_existing=True)


def status_line(fleet: Fleet) -> str:
    """One line for ``systemctl status``."""
    stale = sum(guest.freshness in {"partial", "stale"} for guest in fleet.guests.values())
    hypervisor = "" if fleet.hypervisor.up else ", hypervisor unreachable"
    return f"{len(fleet.guests)} guests, {stale} stale, {fleet.mode}{hypervisor}"
