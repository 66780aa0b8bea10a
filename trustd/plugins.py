"""Finding the collectors, and running them so that none can hurt another.

This is the only place that catches whatever a plug-in throws: it is counted,
kept for the operator to see, and logged when it begins and when it ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TypeVar

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
        ConfigError: a plug-in cannot be loaded, is of no known kind, claims a
            feature that another one gives, or a name that is switched off is
            not in the table.
    """
    table = {entry.name: entry for entry in entry_points(group=GROUP)}
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
    return arrange(made)


def arrange(made: Collection[Plugin]) -> Plugins:
    """The plug-ins by the kind that each one is.

    Raises:
        ConfigError: one is of no kind, or two give the same feature.
    """
    collectors = tuple(each for each in made if isinstance(each, Collector))
    listeners = tuple(each for each in made if isinstance(each, Listener))
    probes = tuple(each for each in made if isinstance(each, Probe))
    sensors = tuple(each for each in made if isinstance(each, HostSensor))
    for each in made:
        if not isinstance(each, Collector | Listener | Probe | HostSensor):
            raise _wrong(f"{each!r} is no collector, listener, probe or host sensor", "")
    giver: dict[str, str] = {}
    measuring: tuple[Collector | Probe, ...] = (*collectors, *probes)
    for plugin in measuring:
        for feature in plugin.features:
            other = giver.setdefault(feature.name, plugin.name)
            if other != plugin.name:
                raise _wrong(
                    f"collectors {other} and {plugin.name} both give {feature.name}",
                    "switch one of them off",
                )
    return Plugins(collectors, listeners, probes, sensors)


def _wrong(message: str, hint: str) -> ConfigError:
    return ConfigError((Problem("entry points", 0, 0, GROUP, message, hint),))


class Ward:
    """Runs plug-ins one by one, times them, and keeps their errors to itself."""

    def __init__(self, names: Collection[str]) -> None:
        self._health = dict.fromkeys(names, PluginHealth())

    @property
    def health(self) -> Mapping[str, PluginHealth]:
        """How each plug-in fares, by name."""
        return dict(self._health)

    def run(self, name: str, call: Callable[[], T], otherwise: T) -> T:
        """The plug-in's answer, or ``otherwise`` where it fails.

        That there is nothing to see (:class:`NoData`) is an answer, not a failure.
        """
        started = time.perf_counter()
        error = ""
        try:
            return call()
        except NoData:
            return otherwise
        except Exception as raised:  # noqa: BLE001 - the one place that may
            error = f"{type(raised).__name__}: {raised}"[:_LONGEST_ERROR]
            return otherwise
        finally:
            self.note(name, time.perf_counter() - started, error)

    def note(self, name: str, seconds: float, error: str) -> None:
        """Keep how a run went; an empty ``error`` means well."""
        before = self._health[name]
        if error and not before.error:
            log.warning("collector fails", collector=name, error=error)
        elif before.error and not error:
            log.info("collector works again", collector=name)
        self._health[name] = PluginHealth(seconds, before.errors + bool(error), error)


_LONGEST_ERROR = 300
