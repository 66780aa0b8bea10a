"""The daemon's settings: one YAML file, and the environment over it."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Iterable, Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from trustd.documents import Bytes, Document, Keys, Seconds, Strict, did_you_mean, validate
from trustd.errors import ConfigError, Problem
from trustd.model import Severity

DEFAULT_PATH = Path("/etc/trustd/trustd.yaml")
PREFIX = "TRUSTD_"
NOT_SETTINGS = frozenset({"TRUSTD_CONFIG"})
"""Words of the environment that are not settings but say where to find them."""


class OnStop(StrEnum):
    """What becomes of narrowed guests when the daemon stops."""

    KEEP = "keep"
    RESTORE = "restore"


class LogFormat(StrEnum):
    """How log lines look.

    ``auto`` is ``console`` on a terminal, ``journal`` where they would go to the journal, else
    ``json``.
    """

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"
    JOURNAL = "journal"


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _loopback(address: str) -> str:
    try:
        if ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise ValueError("must be a loopback address such as 127.0.0.1 or ::1")


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


def _user(value: object) -> object:
    """A user's number; a name is looked up on this host."""
    try:
        return pwd.getpwnam(value).pw_uid if isinstance(value, str) else value
    except KeyError:
        raise ValueError(f'there is no user "{value}" on this host') from None


def _group(value: object) -> object:
    """A group's number; a name is looked up on this host."""
    try:
        return grp.getgrnam(value).gr_gid if isinstance(value, str) else value
    except KeyError:
        raise ValueError(f'there is no group "{value}" on this host') from None


def _https(url: str) -> str:
    if not url.startswith("https://") or url.endswith("/"):
        raise ValueError("must be an https URL without a slash at its end")
    return url


User = Annotated[
    Annotated[int, Field(ge=0)], BeforeValidator(_user, json_schema_input_type=int | str)
]
Group = Annotated[
    Annotated[int, Field(ge=0)], BeforeValidator(_group, json_schema_input_type=int | str)
]


class HypervisorSettings(Strict):
    """How the guests are reached.

    Args:
        uri: libvirt's connection URI.
        deadline: seconds that reading all guests may take in one tick.
    """

    uri: Annotated[str, Field(min_length=1)] = "qemu:///system"
    deadline: Annotated[Seconds, Field(ge=0.1, le=60)] = 1.0


class ListenSettings(Strict):
    """The TCP endpoint for readers; there is no administration over it.

    Args:
        enabled: whether there is one.
        address: a loopback address.
        port: 0 takes a free one.
    """

    enabled: bool = True
    address: Annotated[str, AfterValidator(_loopback)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9747


class CollectorSettings(Strict):
    """Which collectors run.

    Args:
        disabled: the names of those that do not.
    """

    disabled: tuple[str, ...] = ()


class LogSettings(Strict):
    """What is logged, and how.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """

    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    format: LogFormat = LogFormat.AUTO


class Dialect(StrEnum):
    """A way in which other services speak to trustd."""

    AUTHZEN = "authzen"
    OPA = "opa"
    OSLO = "oslo"
    SUBREQUEST = "subrequest"
    EVIDENCE = "evidence"
    """Not a question: in it a service reports how guests behave."""


class CallerSettings(Strict):
    """A service that may ask for decisions.

    Args:
        user, group: who it is on the unix socket, on the kernel's word.
        token: hex sha256 of the token that it shows.
        dialects: in which it may ask, or report.
        subject: the type of its subjects, in dialects that do not say.
        subjects: types of subject for which it may bring properties, where the
            policy accepts them too.
        objects: types of object for which it may bring properties.
    """

    name: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    user: User | None = None
    group: Group | None = None
    token: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    dialects: Annotated[frozenset[Dialect], Field(min_length=1)]
    subject: Annotated[str, Field(min_length=1)] = "user"
    subjects: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()


class Record(StrEnum):
    """Which decisions are recorded beside those that bind a wall."""

    DENIALS = "denials"
    ALL = "all"


class DecisionSettings(Strict):
    """Who may ask for decisions, and what is kept of them.

    Args:
        callers: the services that may ask.
        open: dialects in which anybody who reaches the socket may ask.
        deadline: seconds after which a decision is a denial.
        record: which decisions are recorded.
        keep: how many records of each caller are kept.
        url: where the service says it is, for AuthZEN's metadata.
    """

    callers: tuple[CallerSettings, ...] = ()
    open: frozenset[Dialect] = frozenset()
    deadline: Annotated[Seconds, Field(ge=0.01, le=10)] = 0.25
    record: Record = Record.DENIALS
    keep: Annotated[int, Field(ge=1000)] = 100_000
    url: Annotated[str, AfterValidator(_https)] = "https://localhost:9747"


class AdministrationSettings(Strict):
    """Who may change something over the unix socket, beside root and the daemon's user.

    Args:
        group: its members may change everything; None for nobody else.
        operators: its members may do what ends by itself, or is a word on what happened:
            override, release, pause, acknowledge, handle incidents, try out a receiver.
        longest_order: seconds for which an override, a protection or a pause may be
            given at most.
    """

    group: Group | None = None
    operators: Group | None = None
    longest_order: Annotated[Seconds, Field(ge=60, le=366 * 86400)] = 30 * 86400.0


class AuditSettings(Strict):
    """How the audit trail is made fit to be checked.

    Args:
        anchors: a file to which its signed head is added, best on a disk that this
            host cannot rewrite; None for the log alone.
        every: seconds between two anchors; one is made only where the trail moved.
        check: seconds between two checks of the whole trail.
    """

    anchors: AbsolutePath | None = None
    every: Annotated[Seconds, Field(ge=1)] = 600.0
    check: Annotated[Seconds, Field(ge=1)] = 6 * 3600.0


def _program(command: tuple[str, ...]) -> tuple[str, ...]:
    if not command or not Path(command[0]).is_absolute():
        raise ValueError("must begin with the absolute path of a program")
    return command


HookName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Command = Annotated[tuple[str, ...], AfterValidator(_program)]


class EvidenceSettings(Strict):
    """Where captures of guests are kept, and how much.

    Args:
        directory: None is ``evidence`` in the state directory.
        most: bytes that all captures together may take.
        free: bytes that stay free on that disk.
        each: captures that are kept of one guest.
    """

    directory: AbsolutePath | None = None
    most: Bytes = 20.0 * 2**30
    free: Bytes = 5.0 * 2**30
    each: Annotated[int, Field(ge=1)] = 4


LEAST_AUDIT = 183 * 86400.0
"""Seconds for which audit and access records are kept, unless less is forced."""


class StorageSettings(Strict):
    """How long the history of guests is kept in which detail, and how much of it.

    Args:
        raw: seconds for which every tick is kept.
        minutes, hours: seconds for which a point a minute and a point an hour are.
        most: bytes that the repository may take; above it the oldest detail goes first.
    """

    raw: Annotated[Seconds, Field(ge=3600)] = 48 * 3600.0
    minutes: Annotated[Seconds, Field(ge=86400)] = 14 * 86400.0
    hours: Annotated[Seconds, Field(ge=86400)] = 400 * 86400.0
    most: Annotated[Bytes, Field(ge=64 * 2**20)] = 10.0 * 2**30


class RetentionSettings(Strict):
    """How long records are kept.

    Args:
        audit: seconds for the audit trail and the decisions.
        guests: seconds for what is known of a guest that is not seen any more.
        incidents: seconds for an incident after it was resolved.
        notices: seconds for a notice that ended and that somebody could not be told.
        evidence: seconds for what other services reported, and to know it again.
        force: whether ``audit`` may be less than half a year.
    """

    audit: Annotated[Seconds, Field(ge=86400)] = LEAST_AUDIT
    guests: Annotated[Seconds, Field(ge=86400)] = 365 * 86400.0
    incidents: Annotated[Seconds, Field(ge=86400)] = 365 * 86400.0
    notices: Annotated[Seconds, Field(ge=3600)] = 30 * 86400.0
    evidence: Annotated[Seconds, Field(ge=86400)] = 90 * 86400.0
    force: bool = False


class ReceiverKind(StrEnum):
    """A way to tell somebody."""

    ALERTMANAGER = "alertmanager"
    WEBHOOK = "webhook"
    COMMAND = "command"
    JOURNALD = "journald"


def _reachable(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if parts.scheme not in {"https", "http"} or not host or port == 0 or not url.isascii():
        raise ValueError("must be an https URL, or an http URL of this host")
    if parts.username is not None or parts.fragment:
        raise ValueError("must hold no user and no fragment; a secret is put into a file")
    if parts.scheme == "http" and host != "localhost":
        try:
            _loopback(host)
        except ValueError:
            raise ValueError("plain http is for loopback only: use https") from None
    return url


class ReceiverSettings(Strict):
    """Somebody who is told.

    Args:
        url: of ``alertmanager`` and ``webhook``.
        token: a file with a bearer token for it.
        ca: a file of certificates that vouch for it, instead of the system's.
        secret: a file with the key by which ``webhook`` signs.
        command: of ``command``, a program and its arguments.
        severity: the mildest that it is told.
        timeout: seconds that telling may take.
    """

    name: HookName
    kind: ReceiverKind
    url: Annotated[str, AfterValidator(_reachable)] = ""
    token: AbsolutePath | None = None
    ca: AbsolutePath | None = None
    secret: AbsolutePath | None = None
    command: Command = ()
    severity: Severity = Severity.MINOR
    timeout: Annotated[Seconds, Field(ge=0.1, le=60)] = 5.0


class NotifySettings(Strict):
    """Who is told of what a person should hear of.

    Args:
        bands: a guest in one of them is worth a notice; none for the worse half.
    """

    bands: frozenset[str] = frozenset()
    receivers: tuple[ReceiverSettings, ...] = ()


class MetricsSettings(Strict):
    """What ``/metrics`` has beside trustd's own.

    Args:
        raw: the guests' raw telemetry under the names of libvirt's exporters.
        devices: with ``raw``, of each disk and interface too.
    """

    raw: bool = False
    devices: bool = False


class LimitSettings(Strict):
    """Requests a second that are answered in the long run, and twice as many at once.

    Args:
        tcp: over TCP, of everybody together.
        user: over the unix socket, of each user; questions for decisions do not count.
        decisions: questions for decisions over TCP, of everybody together.
    """

    tcp: Annotated[float, Field(ge=1, le=1e6)] = 100.0
    user: Annotated[float, Field(ge=1, le=1e6)] = 300.0
    decisions: Annotated[float, Field(ge=1, le=1e6)] = 1000.0


class Settings(Strict):
    """Everything that an administrator sets of the daemon itself.

    Args:
        interval: seconds between two ticks.
        policy: the policy file.
        objects: a file of labels of objects and subjects; None for none.
        state: the directory of the behaviour repository.
        socket: the unix socket.
        on_stop: whether narrowed guests stay so when the daemon stops.
        save: seconds between two saves of what was learned; what a guest did is
            saved at once.
        hooks: commands that a policy may name, each a program and its arguments.
    """

    hypervisor: HypervisorSettings = HypervisorSettings()
    interval: Annotated[Seconds, Field(ge=0.5, le=300)] = 5.0
    policy: AbsolutePath = Path("/etc/trustd/policies/default.yaml")
    objects: AbsolutePath | None = None
    state: AbsolutePath = Path("/var/lib/trustd")
    socket: AbsolutePath = Path("/run/trustd/trustd.sock")
    listen: ListenSettings = ListenSettings()
    collectors: CollectorSettings = CollectorSettings()
    decisions: DecisionSettings = DecisionSettings()
    administration: AdministrationSettings = AdministrationSettings()
    audit: AuditSettings = AuditSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    hooks: dict[HookName, Command] = Field(default_factory=dict)
    storage: StorageSettings = StorageSettings()
    retention: RetentionSettings = RetentionSettings()
    notify: NotifySettings = NotifySettings()
    metrics: MetricsSettings = MetricsSettings()
    limits: LimitSettings = LimitSettings()
    on_stop: OnStop = OnStop.KEEP
    save: Annotated[Seconds, Field(ge=1)] = 300.0
    log: LogSettings = LogSettings()


def load_settings(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings file and what the environment says over it.

    ``TRUSTD_HYPERVISOR__URI`` sets ``uri`` in ``hypervisor``, and so on.

    Args:
        path: the file; None is the default place, where its absence is no error.

    Raises:
        ConfigError: with every mistake, each at its place.
    """
    where = path or DEFAULT_PATH
    try:
        text = where.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if path is not None:
            raise _unreadable(where, error) from error
        text = "{}"
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(where, error) from error
    document = Document.read(text, str(where), ConfigError)
    unknown: list[Problem] = []
    for name, value in sorted(environment.items()):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        keys = name.removeprefix(PREFIX).lower().split("__")
        if keys[0] in Settings.model_fields:
            document.override(keys, value, f"environment variable {name}")
        else:
            known = (PREFIX + field.upper() for field in Settings.model_fields)
            message = "is no setting"
            unknown.append(Problem("environment", 0, 0, name, message, did_you_mean(name, known)))

    def refer(settings: Settings, rest: Document, _written: Document) -> Iterable[Problem]:
        return (*unknown, *_refer(settings, rest))

    return validate(document, Settings, ConfigError, refer)


def _refer(settings: Settings, document: Document) -> Iterable[Problem]:
    """What no field can check alone."""
    if settings.hypervisor.deadline >= settings.interval:
        yield document.problem(
            ("hypervisor", "deadline"),
            f"must be shorter than the interval of {settings.interval:g} s",
            "else one silent guest costs every guest its tick",
        )
    kept = settings.retention
    if kept.audit < LEAST_AUDIT and not kept.force:
        yield document.problem(
            ("retention", "audit"),
            "audit and access records are kept for 183 days at least",
            "set retention.force where nothing obliges you to",
        )
    if Dialect.EVIDENCE in settings.decisions.open:
        hint = "register every sender in decisions.callers"
        yield document.problem(("decisions", "open"), "evidence is not taken from anybody", hint)
    names: set[str] = set()
    for index, caller in enumerate(settings.decisions.callers):
        keys: Keys = ("decisions", "callers", index)
        if caller.name in names:
            yield document.problem((*keys, "name"), f'there are two callers named "{caller.name}"')
        names.add(caller.name)
        if caller.user is None and caller.group is None and caller.token is None:
            hint = "give it a user, a group or a token"
            yield document.problem(keys, "nothing tells who this caller is", hint)
        if "guest" in caller.subjects:
            hint = "label the guest on the host"
            yield document.problem((*keys, "subjects"), "nobody brings properties of guests", hint)
    yield from _refer_receivers(settings.notify, document)


_NEEDS = {
    ReceiverKind.ALERTMANAGER: ("url", ("token", "ca")),
    ReceiverKind.WEBHOOK: ("url", ("token", "ca", "secret")),
    ReceiverKind.COMMAND: ("command", ()),
    ReceiverKind.JOURNALD: ("", ()),
}
"""By kind: what must be said of it, and what may be."""


def _refer_receivers(notify: NotifySettings, document: Document) -> Iterable[Problem]:
    names: set[str] = set()
    for index, receiver in enumerate(notify.receivers):
        keys: Keys = ("notify", "receivers", index)
        if receiver.name in names:
            told = f'there are two receivers named "{receiver.name}"'
            yield document.problem((*keys, "name"), told)
        names.add(receiver.name)
        needed, allowed = _NEEDS[receiver.kind]
        if needed and not getattr(receiver, needed):
            yield document.problem(keys, f"{receiver.kind} needs {needed}")
        for name in ("url", "token", "ca", "secret", "command"):
            if getattr(receiver, name) and name not in (needed, *allowed):
                yield document.problem((*keys, name), f"{receiver.kind} takes no {name}")


def _unreadable(path: Path, error: Exception) -> ConfigError:
    hint = "give another with --config"
    return ConfigError((Problem(str(path), 0, 0, "", f"cannot be read: {error}", hint),))
