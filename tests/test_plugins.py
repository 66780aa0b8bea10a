"""Finding collectors, and running them so that none can hurt another."""

from __future__ import annotations

import sys

import pytest

from trustd.errors import ConfigError, NoData
from trustd.model import Columns, FeatureSpec, HostLoad, PluginHealth, StatGroup
from trustd.plugins import Ward, arrange, discover


class Numbers:
    name = "numbers"
    features = (FeatureSpec("numbers.rate", "events/s", "numbers"),)
    groups = StatGroup.STATE

    def collect(self, before, after, *, seconds):
        return Columns.missing(len(after), 1, 3)


class MoreNumbers(Numbers):
    name = "more"


class Load:
    name = "load"

    def sense(self):
        return HostLoad()


def test_every_shipped_collector_is_found():
    """The table holds every collector that ships, each of a known kind."""
    names = set(discover().names)
    assert {"cpu", "memory", "disk", "network", "lifecycle", "emulator", "host"} <= names


def test_collector_can_be_switched_off():
    """A collector that is switched off is not loaded; a misspelt name is an error."""
    assert "emulator" not in discover(["emulator"]).names
    with pytest.raises(ConfigError, match="no collector is called emulatr"):
        discover(["emulatr"])


def test_kinds_are_told_apart():
    """A plug-in is sorted by what it can do."""
    plugins = arrange([Numbers(), Load()])
    assert [each.name for each in plugins.collectors] == ["numbers"]
    assert [each.name for each in plugins.sensors] == ["load"]


def test_what_is_no_plugin_is_refused():
    """An entry that is of no known kind is an error at start, not a silence."""
    with pytest.raises(ConfigError, match="no collector"):
        arrange([object()])


def test_two_givers_of_one_feature_are_refused():
    """A feature has one source; two collectors that give it are an error that names both."""
    with pytest.raises(ConfigError, match=r"numbers and more both give numbers\.rate"):
        arrange([Numbers(), MoreNumbers()])


def test_error_is_kept_counted_and_forgotten():
    """What a plug-in throws costs nobody anything; it is counted, and shown until it works."""
    ward = Ward(["numbers"])
    assert ward.run("numbers", lambda: 1 // 0, otherwise="gap") == "gap"
    assert ward.run("numbers", lambda: 1 // 0, otherwise="gap") == "gap"
    assert ward.health["numbers"].errors == 2
    assert "ZeroDivisionError" in ward.health["numbers"].error
    assert ward.run("numbers", lambda: "value", otherwise="gap") == "value"
    health = ward.health["numbers"]
    assert (health.errors, health.error) == (2, "")


def test_nothing_to_see_is_no_error():
    """A probe that finds nothing to read is in good health."""

    def nothing():
        raise NoData("the guest stopped")

    ward = Ward(["numbers"])
    assert ward.run("numbers", nothing, otherwise="gap") == "gap"
    health = ward.health["numbers"]
    assert health == PluginHealth(seconds=health.seconds)


def test_two_of_one_name_are_refused():
    """A name is one collector's: it is its key in the settings and its label in the metrics."""

    class Loud(Load):
        name = "numbers"

    with pytest.raises(ConfigError, match="2 collectors are called numbers"):
        arrange([Numbers(), Loud()])


def test_feature_given_twice_by_one_is_refused():
    """A collector that gives a feature twice is an error at start that names it."""

    class Twice(Numbers):
        features = Numbers.features * 2

    with pytest.raises(ConfigError, match=r"both give numbers\.rate"):
        arrange([Twice()])


def test_nothing_left_to_measure_is_an_error():
    """With every collector that measures switched off the daemon does not start, and says why."""
    measuring = {"cpu", "memory", "disk", "network", "emulator"} & set(discover().names)
    with pytest.raises(ConfigError, match="measures anything"):
        discover(measuring)


def test_plugin_that_ends_the_process_does_not():
    """A collector that calls sys.exit is counted as one that failed."""
    ward = Ward(["numbers"])
    assert ward.run("numbers", lambda: sys.exit(3), otherwise="gap") == "gap"
    assert "SystemExit" in ward.health["numbers"].error
