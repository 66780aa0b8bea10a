"""What is done when: ticks, saves, rounds of the probes, and reloads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    JobEvent,
    JobExecutionEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from trustd.daemon.build import Daemon
from trustd.daemon.history import STORE_SECONDS, UPKEEP_SECONDS
from trustd.daemon.pacing import Steady
from trustd.daemon.systemd import Notifier
from trustd.metrics import MetricsPage
from trustd.model import Fleet

log = structlog.get_logger()

LINE, PROBES, UPKEEP = "line", "probes", "upkeep"
MOST_FAILED = 5
"""Ticks in a row that may fail before the daemon ends, so that somebody starts it anew."""
UPKEEP_ENDS_SECONDS = 5.0
"""For which a stop waits for what is stored or dropped beside the line: a disk that hangs must
not keep it from giving back what is narrowed."""
FIRST_CHECK_SECONDS = 60.0
"""From the start to the first check of the audit trail."""


class Schedule:
    """The daemon's jobs. A tick, a save and a reload never overlap.

    Args:
        publish: takes every tick's fleet and page; called on the line's thread.
        give_up: called once, with the reason, when the tick keeps failing.
    """

    def __init__(
        self,
        daemon: Daemon,
        notifier: Notifier,
        *,
        publish: Callable[[Fleet, MetricsPage], None],
        give_up: Callable[[str], None],
    ) -> None:
        self._daemon = daemon
        self._notifier = notifier
        self._publish = publish
        self._give_up = give_up
        self._failed = 0
        self._reload_waits = threading.Event()
        # one thread, so that nothing that the line does overlaps
        self._executors = {
            LINE: ThreadPoolExecutor(1),
            PROBES: ThreadPoolExecutor(max(1, len(daemon.probing.probes))),
            UPKEEP: ThreadPoolExecutor(1),
        }
        self.scheduler = BackgroundScheduler(
            executors=self._executors,
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
            timezone=UTC,
        )
        self.scheduler.add_listener(self._overrun, EVENT_JOB_MAX_INSTANCES)
        self.scheduler.add_listener(self._done, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        settings = daemon.settings
        self._every(settings.interval, self._tick, LINE, LINE)
        self._every(settings.save, daemon.save, "save", LINE)
        self._every(settings.audit.every, daemon.auditing.anchor, "anchor", UPKEEP)
        self._every(settings.audit.check, daemon.auditing.check, "check", UPKEEP)
        self._every(STORE_SECONDS, daemon.history.store, "history", UPKEEP)
        self._every(UPKEEP_SECONDS, daemon.history.upkeep, "retention", UPKEEP)
        for probe in daemon.probing.probes:
            self._every(
                probe.every, partial(daemon.probing.round, probe), f"probe {probe.name}", PROBES
            )
        # the first tick is now, not an interval from now
        self.scheduler.modify_job(LINE, next_run_time=datetime.now(UTC))
        # and a trail that was touched while nobody looked is found soon after the start
        first = min(settings.audit.check, FIRST_CHECK_SECONDS)
        self.scheduler.modify_job(
            "check", next_run_time=datetime.now(UTC) + timedelta(seconds=first)
        )

    def start(self) -> None:
        """Begin with the first tick."""
        self.scheduler.start()
        self._daemon.between.begin(self._give)

    def reload(self) -> None:
        """Have the policy read again between two ticks; one that waits already is enough."""
        if not self._reload_waits.is_set():
            self._reload_waits.set()
            self.scheduler.add_job(self._reload, executor=LINE, name="reload")

    def stop(self) -> None:
        """Wait for what is under way, beside the line not for long; nothing new begins."""
        self._daemon.probing.close()
        self._daemon.history.halt()
        self._daemon.auditing.halt()
        self.scheduler.shutdown(wait=False)
        for each in (LINE, PROBES):
            self._executors[each].shutdown(wait=True)
        upkeep = self._executors[UPKEEP]
        waiting = threading.Thread(target=upkeep.shutdown, name="upkeep ends", daemon=True)
        waiting.start()
        waiting.join(UPKEEP_ENDS_SECONDS)
        if waiting.is_alive():
            log.error("not waited for: the repository does not answer", job=UPKEEP)

    def _give(self, work: Callable[[], None]) -> None:
        self.scheduler.add_job(work, executor=LINE, name="between")

    def _every(self, seconds: float, job: Callable[[], None], name: str, executor: str) -> None:
        self.scheduler.add_job(job, Steady(seconds), id=name, executor=executor)

    def _tick(self) -> None:
        fleet = self._daemon.tick()
        self._publish(fleet, self._daemon.page(fleet))
        self._notifier.status(status_line(fleet))
        self._notifier.alive()

    def _reload(self) -> None:
        # before the file is read: whoever asks from now on may have changed it
        self._reload_waits.clear()
        self._notifier.reloading()
        try:
            self._daemon.reload()
        finally:
            self._notifier.ready("reloaded")

    def _overrun(self, event: JobEvent) -> None:
        if event.job_id == LINE:
            self._daemon.line.overrun()

    def _done(self, event: JobExecutionEvent) -> None:
        if event.exception is not None:
            log.error("failed", job=event.job_id, exc_info=event.exception)
        if event.job_id != LINE:
            return
        self._failed = self._failed + 1 if event.exception is not None else 0
        if self._failed == MOST_FAILED:
            self._give_up(f"{MOST_FAILED} ticks in a row failed, the last with {event.exception!r}")


def status_line(fleet: Fleet) -> str:
    """One line for ``systemctl status``."""
    stale = sum(guest.freshness in {"partial", "stale"} for guest in fleet.guests.values())
    line = f"{len(fleet.guests)} guests, {stale} stale, {fleet.mode}"
    if (pause := fleet.orders.pause) is not None:
        line += f", PAUSED by {pause.author.name}" + (" (kept)" if pause.keep else "")
    if fleet.held:
        line += f", {len(fleet.held)} held back"
    if fleet.orders.overrides:
        line += f", {len(fleet.orders.overrides)} overridden"
    if not fleet.hypervisor.up:
        line += ", hypervisor unreachable"
    if fleet.store_error:
        line += ", the repository takes no writes"
    return line
