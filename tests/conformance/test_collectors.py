"""What every plug-in of the entry-point table keeps to, ours and an outsider's alike."""

import math
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from tests.conformance.plugins import HOSTILE, TABLE, UUID, collect, every, whole
from trustd.errors import NoData
from trustd.model import FeatureSpec, GapReason, Guest, GuestState, HostLoad
from trustd.spi import Collector, HostSensor, Listener, Probe

DOCS = Path(__file__).parents[2] / "docs" / "collectors"
ODD: tuple[object, ...] = (
    -1, -(2**63), 2**63, 2**64, 2**200, 10**400, 0, 1, True, False, "", "7", "nan", "inf",
    math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, None, [], b"7",
)  # fmt: skip


@pytest.mark.parametrize("point", TABLE, ids=lambda point: point.name)
def test_a_plugin_is_made_without_arguments_and_bears_its_own_name(point: EntryPoint) -> None:
    """Every entry makes a plug-in of one of the four kinds, named like the entry."""
    plugin = point.load()()
    assert isinstance(plugin, Collector | Listener | Probe | HostSensor)
    assert plugin.name == point.name
    assert re.fullmatch(r"[a-z][a-z0-9-]*", plugin.name)


@pytest.mark.parametrize("point", TABLE, ids=lambda point: point.name)
def test_a_plugin_has_a_page(point: EntryPoint) -> None:
    """The page names every feature and every kind of finding, and says what cannot be known."""
    plugin = point.load()()
    page = (DOCS / f"{point.name}.md").read_text("utf-8")
    assert page.startswith(f"# {point.name}\n")
    named = [feature.name for feature in getattr(plugin, "features", ())]
    for word in (*named, *getattr(plugin, "kinds", ())):
        assert f"`{word}`" in page
    assert "## What it cannot know" in page


def test_no_two_plugins_give_the_same_feature_or_finding() -> None:
    """A feature and a kind of finding each have one source."""
    made = [point.load()() for point in TABLE]
    features = [feature.name for plugin in made for feature in getattr(plugin, "features", ())]
    kinds = [kind for plugin in made for kind in getattr(plugin, "kinds", ())]
    assert len(set(features)) == len(features) > 0
    assert len(set(kinds)) == len(kinds) > 0
    assert all(re.fullmatch(r"[a-z]+(\.[a-z]+)+", name) for name in features)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind) for kind in kinds)


@pytest.mark.parametrize("point", TABLE, ids=lambda point: point.name)
def test_features_are_declared_whole(point: EntryPoint) -> None:
    """Each feature says its unit, its resource and its family."""
    for feature in getattr(point.load()(), "features", ()):
        assert isinstance(feature, FeatureSpec)
        assert feature.group
        assert feature.family


@every(Collector)
class TestCollectors:
    """Telemetry: a pure function of two replies."""

    def test_a_running_guest_has_every_number(self, make: Callable[[], Collector]) -> None:
        """From two whole replies every declared feature comes out."""
        columns = collect(make, [whole(0)], [whole(1)])
        assert (columns.gaps == 0).all()

    def test_no_guests(self, make: Callable[[], Collector]) -> None:
        """An empty fleet gives empty columns."""
        assert collect(make, [], []).values.size == 0

    def test_a_reply_without_fields_is_no_zero(self, make: Callable[[], Collector]) -> None:
        """A guest of which nothing is known has gaps only."""
        assert (collect(make, [{}, whole(0)], [{}, {}]).gaps != 0).all()

    def test_the_first_reply_makes_no_rate(self, make: Callable[[], Collector]) -> None:
        """Without an earlier reply nothing is a number yet, and the reason says so."""
        columns = collect(make, [{}], [whole(1)], math.nan)
        assert set(columns.gaps[0].tolist()) == {GapReason.FIRST}

    @pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-300, math.nan, math.inf])
    def test_no_interval_makes_no_rate(self, make: Callable[[], Collector], seconds: float) -> None:
        """Over no time, or one that cannot be, there are no numbers."""
        columns = collect(make, [whole(0)], [whole(1)], seconds)
        assert set(columns.gaps[0].tolist()) == {GapReason.NO_TIME}

    def test_counters_that_began_anew_make_no_spike(self, make: Callable[[], Collector]) -> None:
        """A guest that restarted in between has no rates over it."""
        fresh = whole(1) | {
            name: 1 for name, value in whole(1).items() if isinstance(value, int) and value > 1000
        }
        columns = collect(make, [whole(1)], [fresh])
        assert (columns.gaps != 0).all()

    @pytest.mark.parametrize("state", [3, 4, 5, 6])
    @pytest.mark.parametrize("end", ["before", "after"])
    def test_a_guest_that_stands_still_has_no_numbers(
        self, make: Callable[[], Collector], state: int, end: str
    ) -> None:
        """Paused, shut off or crashed at either end: no evidence, and the reason says so."""
        standing = {"state.state": state}
        before = whole(0) | (standing if end == "before" else {})
        after = whole(1) | (standing if end == "after" else {})
        assert set(collect(make, [before], [after]).gaps[0].tolist()) == {GapReason.NOT_RUNNING}

    def test_any_field_may_be_missing(self, make: Callable[[], Collector]) -> None:
        """Without one field some numbers are missing, and no other guest's."""
        fields = sorted(whole(0))
        lacking = [{n: v for n, v in whole(1).items() if n != missing} for missing in fields]
        columns = collect(make, [whole(0)] * (len(fields) + 1), [*lacking, whole(1)])
        assert (columns.gaps[-1] == 0).all()
        complete = columns.values[-1]
        alike = (columns.values == complete) | (columns.gaps != 0)
        unequal = {fields[row] for row in np.flatnonzero(~alike.all(axis=1))}
        # Where one of several devices does not tell, the others are still added up; and
        # an old balloon driver tells no usable memory.
        assert all(re.match(r"(net|block|vcpu)\.\d|balloon.usable", name) for name in unequal)

    @pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
    def test_any_value_may_be_odd(self, make: Callable[[], Collector], odd: object) -> None:
        """A field of another type or size costs that guest that number, at most."""
        changed = [{name: odd} for name in whole(0)] + [{}]
        afters = [whole(1) | change for change in changed]
        for befores in ([whole(0)] * len(changed), [whole(0) | change for change in changed]):
            assert (collect(make, befores, afters).gaps[-1] == 0).all()

    @pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name)[:12])
    def test_names_are_data(self, make: Callable[[], Collector], name: str) -> None:
        """Whatever a device is called, also when two are called the same."""
        named = {"net.0.name": name, "block.0.name": name, "block.1.name": name}
        columns = collect(make, [whole(0) | named], [whole(1) | named])
        assert (columns.gaps == 0).all()
        moved = whole(1, disks=3) | named
        collect(make, [whole(0) | named], [moved])

    def test_a_device_that_was_plugged_in_makes_no_spike(
        self, make: Callable[[], Collector]
    ) -> None:
        """A new device with old counters does not count until its second reply."""
        before, after = whole(0, disks=1, nics=1), whole(1, disks=2, nics=2)
        usual = collect(make, [before], [whole(1, disks=1, nics=1)])
        after |= {"block.1.wr.bytes": 10**12, "net.1.tx.bytes": 10**12}
        np.testing.assert_array_equal(collect(make, [before], [after]).values, usual.values)

    def test_a_device_that_moved_up_is_the_same_device(self, make: Callable[[], Collector]) -> None:
        """When the first disk is unplugged the second takes its index, not its counters."""
        before = whole(0) | {"block.1.wr.bytes": 10**9}
        after = whole(1, disks=1) | {"block.0.name": "vdb", "block.0.wr.bytes": 10**9 + 20}
        alone = collect(make, [whole(0, disks=1)], [whole(1, disks=1) | {"block.0.wr.bytes": 1020}])
        np.testing.assert_array_equal(collect(make, [before], [after]).values, alone.values)

    def test_a_guest_without_devices(self, make: Callable[[], Collector]) -> None:
        """No disk and no NIC are a gap of their own; the rest is measured."""
        bare = [whole(tick, disks=0, nics=0) for tick in (0, 1)]
        gaps = collect(make, bare[:1], bare[1:]).gaps
        assert set(gaps[0].tolist()) in ({GapReason.PRESENT}, {GapReason.NO_DEVICE})

    def test_guests_do_not_move_each_other(self, make: Callable[[], Collector]) -> None:
        """A guest's numbers are the same alone and among others of every shape."""
        befores = [whole(0, disks=d, nics=n) for d in range(3) for n in range(3)] + [{}]
        afters = [whole(1, disks=d, nics=n) for d in range(3) for n in range(3)] + [{}]
        befores, afters = [befores[-1], *befores], [*afters, afters[0]]
        together = collect(make, befores, afters)
        for row, (before, after) in enumerate(zip(befores, afters, strict=True)):
            alone = collect(make, [before], [after])
            np.testing.assert_array_equal(together.values[row], alone.values[0])
            np.testing.assert_array_equal(together.gaps[row], alone.gaps[0])


@every(Listener)
def test_nothing_happened(make: Callable[[], Listener]) -> None:
    """No events, no findings."""
    assert list(make().notice([], {})) == []


@every(Probe)
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name)[:12])
def test_a_guest_that_is_not_there_has_no_data(make: Callable[[], Probe], name: str) -> None:
    """A probe of a guest without a process says so, whatever the guest is called."""
    probe = make()
    assert probe.every > 0
    assert probe.timeout > 0
    with pytest.raises(NoData):
        probe.probe(Guest(UUID, name, GuestState.RUNNING), at=1e9)


@every(HostSensor)
def test_the_hosts_load_is_a_share(make: Callable[[], HostSensor]) -> None:
    """Each part of the load lies in [0, 1], at the first call and at later ones."""
    sensor = make()
    for load in (sensor.sense(), sensor.sense()):
        assert isinstance(load, HostLoad)
        assert all(0.0 <= part <= 1.0 for part in (load.cpu, load.memory, load.io))
