"""Finding the collectors, and running them so that none can hurt another.

This is the only place that catches whatever a plug-in throws: it is counted,
kept for the operator to see, and logged when it begins and when it ends.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

import structlog

from trustd.errors import ConfigError, NoData, Problem
from trustd.model import FeatureSpec, PluginHealth
from trustd.spi import Collector, HostSensor, Listener, Plugin, Probe

GROUP = "trustd.collectors"

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plugins:
    """The plug-ins in use, by kind, each in the order of its name."""

    collectors: tuple[Collector, ...] = ()
    listeners: tuple[Listener, ...] = ()
    probes: tuple[Probe, ...] = ()
    sensors: tuple[HostSensor, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every plug-in's name."""
        kinds: tuple[tuple[Plugin, ...], ...] = (
            self.collectors,
            self.listeners,
            self.probes,
            self.sensors,
        )
        return tuple(plugin.name for kind in kinds for plugin in kind)

    @property
    def features(self) -> tuple[FeatureSpec, ...]:
        """Every feature that is measured: the collectors', then the probes'."""
        measuring: tuple[Collector | Probe, ...] = (*self.collectors, *self.probes)
        return tuple(feature for plugin in measuring for feature in plugin.features)


def discover(disabled: Collection[str] = ()) -> Plugins:
    """Every plug-in of the entry-point table, but for those that are switched off.

    Raises:
        ConfigError: a plug-in cannot be loaded, is of no known kind, claims a name
            or a feature that another one has, or nothing is left that measures; or
            a name that is switched off is not in the table.
    """
    table: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        other = table.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise _wrong(
                f"{other.value} and {entry.value} are both called {entry.name}",
                "uninstall one of the packages that bring them",
            )
    unknown = sorted(set(disabled) - set(table))
    if unknown:
        raise _wrong(
            f"no collector is called {', '.join(unknown)}", f"there are {', '.join(sorted(table))}"
        )
    made: list[Plugin] = []
    for name in sorted(set(table) - set(disabled)):
        try:
            made.append(table[name].load()())
        except Exception as error:
            hint = f"mend it or switch it off: collectors: {{disabled: [{name}]}}"
            raise _wrong(f"collector {name} cannot be loaded: {error!r}", hint) from error
    plugins = arrange(made)
    if not plugins.features:
        raise _wrong("no collector is left that measures anything", "switch fewer of them off")
    return plugins


def arrange(made: Collection[Plugin]) -> Plugins:
    """The plug-ins by the kind that each one is.

    Raises:
        ConfigError: one is of no kind, or two have the same name or feature.
    """
    collectors = tuple(each for each in made if isinstance(each, Collector))
    listeners = tuple(each for each in made if isinstance(each, Listener))
    probes = tuple(each for each in made if isinstance(each, Probe))
    sensors = tuple(each for each in made if isinstance(each, HostSensor))
    for each in made:
        if not isinstance(each, Collector | Listener | Probe | HostSensor):
            raise _wrong(f"{each!r} is no collector, listener, probe or host sensor", "")
    plugins = Plugins(collectors, listeners, probes, sensors)
    for name, times in Counter(plugins.names).items():
        if times > 1:
            raise _wrong(f"{times} collectors are called {name}", "rename one of them")
    giver: dict[str, str] = {}
    measuring: tuple[Collector | Probe, ...] = (*collectors, *probes)
    for plugin in measuring:
        for feature in plugin.features:
            if feature.name in giver:
                raise _wrong(
                    f"collectors {giver[feature.name]} and {plugin.name} both give {feature.name}",
                    "switch one of them off",
                )
            giver[feature.name] = plugin.name
    return plugins


def _wrong(message: str, hint: str) -> ConfigError:
    return ConfigError((Problem("entry points", 0, 0, GROUP, message, hint),))


@dataclass(frozen=True, slots=True)
class Attempt(Generic[T]):
    """What became of one run of a plug-in.

    Args:
        answer: None where it failed.
        failure: what it threw; None where it did not.
    """

    answer: T | None
    failure: BaseException | None = None

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to see (:class:`NoData`): an answer, not a failure."""
        return isinstance(self.failure, NoData)

    @property
    def error(self) -> str:
        """Why it failed; empty where it did not."""
        if self.failure is None or self.nothing:
            return ""
        return f"{type(self.failure).__name__}: {self.failure}"[:_LONGEST_ERROR]


def attempt(call: Callable[[], T]) -> Attempt[T]:
    """Run a plug-in, whatever it throws; it may want to end the process, but does not."""
    try:
        return Attempt(call())
    except (Exception, SystemExit) as failure:  # noqa: BLE001 - the one place that may
        return Attempt(None, failure)


class Ward:
    """Runs plug-ins one by one, times them, and keeps their errors to itself."""

    def __init__(self, names: Collection[str]) -> None:
        self._health = dict.fromkeys(names, PluginHealth())

    @property
    def health(self) -> Mapping[str, PluginHealth]:
        """How each plug-in fares, by name."""
        return dict(self._health)

    def run(self, name: str, call: Callable[[], T], otherwise: T) -> T:
        """The plug-in's answer, or ``otherwise`` where it fails or has nothing to say."""
        started = time.perf_counter()
        done = attempt(call)
        self.note(name, time.perf_counter() - started, done.error)
        return otherwise if done.failure is not None else cast("T", done.answer)

    def note(self, name: str, seconds: float, error: str, errors: int = 1) -> None:
        """Keep how a run went; an empty ``error`` means well.

        Args:
            errors: how many of them there were.
        """
        before = self._health[name]
        if error and not before.error:
            log.warning("collector fails", collector=name, error=error)
        elif before.error and not error:
            log.info("collector works again", collector=name)
        total = before.errors + (errors if error else 0)
        self._health[name] = PluginHealth(seconds, total, error)


_LONGEST_ERROR = 300
