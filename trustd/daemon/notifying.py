"""Turns each tick into notices, in a thread of its own: whatever it meets, the line goes on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable

import structlog
from aiohttp import web

from trustd.api.notice_shapes import AffectedDoc, NoticeDoc, NoticeList, ReceiverDoc, TrialDoc
from trustd.api.notices import NOTICES
from trustd.config import NotifySettings, ReceiverKind, ReceiverSettings
from trustd.daemon.conditions import Conditions
from trustd.metrics import Meters
from trustd.model import Action, Assessment, Fleet, Mode, Notice, Severity
from trustd.notify import (
    Alertmanager,
    Channel,
    Command,
    Credential,
    Dispatcher,
    Endpoint,
    Journald,
    Receiver,
    Webhook,
)
from trustd.repository import Database, NoticeStore

log = structlog.get_logger()

Source = Callable[[Fleet], Iterable[Notice] | None]
"""Gives what lasts beside a tick; None while nobody knows."""


class Notifying:
    """What is told of every tick, and of every alert that the policy sends.

    Raises:
        StoreError: what was told before cannot be read.
    """

    def __init__(self, settings: NotifySettings, database: Database, meters: Meters) -> None:
        self._dispatcher = Dispatcher(
            [_receiver(each) for each in settings.receivers],
            NoticeStore(database),
            counted=lambda receiver, result: meters.notices.labels(receiver, result).inc(),
        )
        self._conditions = Conditions(settings.bands, self._dispatcher.lasting.values())
        self._enabled = bool(settings.receivers)
        self._sources: dict[str, Source] = {}
        self._newest: Fleet | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    @property
    def dispatcher(self) -> Dispatcher:
        """For whoever has more to tell: begin it, and end it by its key."""
        return self._dispatcher

    def follow(self, kind: str, source: Source) -> None:
        """Have told what somebody else knows too; to be called before the start.

        Args:
            kind: what the keys of its notices begin with; what lasts under it and is not among
                what it gives is over.
            source: called at every tick, on a thread that may wait.
        """
        self._sources[kind] = source

    def start(self) -> None:
        """Begin to tell; nothing is done where there is no receiver."""
        if self._enabled:
            self._dispatcher.start()
            self._thread.start()

    def close(self) -> None:
        """Tell nothing more; what waits is told after the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(1.0)
            self._dispatcher.close()

    def observe(self, fleet: Fleet) -> None:
        """Take a tick, and return at once; of several that wait the newest counts."""
        with self._changed:
            self._newest = fleet
            self._changed.notify()

    def alert(self, severity: Severity, action: Action, occasion: Assessment) -> None:
        """Tell of an alert that the policy sends."""
        if self._enabled:
            self._dispatcher.begin(self._conditions.alert(severity, action, occasion))

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[NOTICES] = self

    def shown(self) -> NoticeList:
        """Every receiver, and every notice that lasts."""
        receivers = [
            ReceiverDoc(
                name=each.name,
                kind=each.channel,
                severity=each.least,
                waiting=each.waiting,
                told=each.told or None,
                failed=each.failed or None,
                error=each.error,
                failures=each.failures,
                dropped=each.dropped,
            )
            for each in self._dispatcher.states
        ]
        lasting = sorted(self._dispatcher.lasting.values(), key=lambda each: each.starts)
        return NoticeList(receivers, [_shown(each) for each in lasting])

    def try_out(self, receiver: str) -> TrialDoc:
        """Tell a receiver that nothing is wrong, and that this is over."""
        notice = Notice(
            key="test",
            severity=Severity.INFO,
            title="trustd tries out its notices",
            problem="Nothing is wrong: somebody asked for this notice.",
            mode=Mode.OBSERVE,
            starts=time.time(),
            labels={"kind": "test"},
        )
        error = self._dispatcher.try_out(receiver, notice)
        return TrialDoc(receiver, told=not error, error=error)

    def _run(self) -> None:
        while (fleet := self._next()) is not None:
            try:
                self._tell(fleet)
            except Exception:  # telling must end neither itself nor anything else
                log.exception("notify.failed", tick=fleet.tick)

    def _next(self) -> Fleet | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest is not None)
            fleet, self._newest = self._newest, None
            return None if self._closed else fleet

    def _tell(self, fleet: Fleet) -> None:
        lasts = self._conditions.at(fleet)
        for key in self._dispatcher.lasting:
            if key not in lasts and not self._conditions.unknown(key, fleet):
                self._dispatcher.end(key, fleet.at)
        for notice in lasts.values():
            self._dispatcher.begin(notice)
        for kind, source in self._sources.items():
            self._tell_also(kind, source(fleet), fleet)

    def _tell_also(self, kind: str, found: Iterable[Notice] | None, fleet: Fleet) -> None:
        if found is None:
            return
        lasts = {each.key: each for each in found}
        for key in self._dispatcher.lasting:
            if key.partition(":")[0] == kind and key not in lasts:
                self._dispatcher.end(key, fleet.at)
        for notice in lasts.values():
            self._dispatcher.begin(notice)


def _shown(notice: Notice) -> NoticeDoc:
    return NoticeDoc(
        key=notice.key,
        severity=notice.severity,
        title=notice.title,
        problem=notice.problem,
        mode=notice.mode,
        starts=notice.starts,
        guests=[AffectedDoc(each.guest, each.name) for each in notice.guests],
        objects=notice.objects,
        recommended=notice.recommended,
        labels=notice.labels,
    )


def _receiver(settings: ReceiverSettings) -> Receiver:
    return Receiver(settings.name, settings.kind, _channel(settings), settings.severity)


def _channel(settings: ReceiverSettings) -> Channel:
    if settings.kind is ReceiverKind.COMMAND:
        return Command(settings.command, settings.timeout)
    if settings.kind is ReceiverKind.JOURNALD:
        return Journald(settings.timeout)
    token = None if settings.token is None else Credential(settings.token)
    endpoint = Endpoint(settings.url, settings.timeout, token, settings.ca)
    host = socket.gethostname()
    if settings.kind is ReceiverKind.ALERTMANAGER:
        return Alertmanager(endpoint, host)
    secret = None if settings.secret is None else Credential(settings.secret)
    return Webhook(endpoint, host, secret)
