"""What every plug-in of the entry-point table keeps to, ours and an outsider's alike."""

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trustd.errors import NoData
from trustd.model import (
    Columns,
    FeatureSpec,
    Finding,
    GapReason,
    Guest,
    GuestEvent,
    GuestId,
    GuestState,
    HostLoad,
    ReplyTable,
    Stats,
)
from trustd.spi import Collector, HostSensor, Listener, Plugin, Probe

TABLE = tuple(entry_points(group="trustd.collectors"))
DOCS = Path(__file__).parents[2] / "docs" / "collectors"
UUID = GuestId("00000000-0000-4000-8000-00000000000a")
HOSTILE = (
    "",
    "vda\n",
    "<script>",
    "../../etc/passwd",
    "{name.__class__}",
    "%s%n",
    "\x00",
    "é" * 300,
)
ODD: tuple[object, ...] = (
    -1, -(2**63), 2**63, 2**64, 2**200, 10**400, 0, 1, True, False, "", "7", "nan", "inf",
    math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, None, [], b"7",
)  # fmt: skip


def plugins(kind: type) -> list[tuple[str, Callable[[], Plugin]]]:
    return [(point.name, point.load()) for point in TABLE if isinstance(point.load()(), kind)]


def every(kind: type) -> pytest.MarkDecorator:
    found = plugins(kind)
    return pytest.mark.parametrize(
        "make", [make for _, make in found], ids=[name for name, _ in found]
    )


def whole(tick: int, *, disks: int = 2, nics: int = 1, vcpus: int = 2) -> dict[str, int | str]:
    """A reply of a running guest whose every counter moves by 10 a tick."""
    many = 1000 + 10 * tick
    reply: dict[str, int | str] = {
        "state.state": 1, "state.reason": 1, "cpu.time": many * 10**6,
        "balloon.current": 98304, "balloon.maximum": 98304, "balloon.available": 90000,
        "balloon.usable": 40000, "balloon.unused": 20000, "balloon.swap_in": many,
        "balloon.swap_out": many, "balloon.major_fault": many,
        "balloon.last-update": 1_700_000_000 + 2 * tick,
        "vcpu.current": vcpus, "vcpu.maximum": vcpus, "net.count": nics, "block.count": disks,
    }  # fmt: skip
    for n in range(vcpus):
        reply |= {f"vcpu.{n}.state": 1, f"vcpu.{n}.delay": many, f"vcpu.{n}.wait": many}
    for n in range(nics):
        reply[f"net.{n}.name"] = f"vnet{n}"
        for way in ("rx", "tx"):
            reply |= {f"net.{n}.{way}.{what}": many for what in ("bytes", "pkts", "errs", "drop")}
    for n in range(disks):
        reply[f"block.{n}.name"] = f"vd{chr(ord('a') + n)}"
        for way in ("rd", "wr"):
            reply |= {f"block.{n}.{way}.{what}": many for what in ("bytes", "reqs", "times")}
        reply |= {f"block.{n}.fl.reqs": many, f"block.{n}.fl.times": many}
    return reply


def collect(
    make: Callable[[], Collector],
    before: Sequence[Mapping[str, object]],
    after: Sequence[Mapping[str, object]],
    seconds: float | Sequence[float] = 2.0,
) -> Columns:
    """Run a collector and check what holds whatever it is given."""
    collector = make()
    kept = copy.deepcopy((before, after))
    took = np.broadcast_to(np.asarray(seconds, dtype=np.float64), len(after)).copy()
    took_before = took.copy()

    def run() -> Columns:
        return collector.collect(
            ReplyTable([_stats(row) for row in before]),
            ReplyTable([_stats(row) for row in after]),
            seconds=took,
        )

    columns = run()
    shape = (len(after), len(collector.features))
    assert columns.values.shape == columns.gaps.shape == shape
    assert columns.values.dtype == np.float64
    assert columns.gaps.dtype == np.int8
    assert (np.isnan(columns.values) == (columns.gaps != 0)).all()
    present = columns.values[columns.gaps == 0]
    assert np.isfinite(present).all()
    assert (present >= 0).all()
    assert {GapReason(code) for code in columns.gaps.ravel()} <= set(GapReason)
    again = run()
    np.testing.assert_array_equal(again.values, columns.values)
    np.testing.assert_array_equal(again.gaps, columns.gaps)
    assert repr((before, after)) == repr(kept)
    np.testing.assert_array_equal(took, took_before)
    return columns


def _stats(row: Mapping[str, object]) -> Stats:
    return row  # type: ignore[return-value]  # also what no hypervisor should give


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


FIELDS = st.one_of(
    st.sampled_from(sorted(whole(0, disks=3, nics=2))),
    st.from_regex(r"(net|block|vcpu|balloon|cpu)\.[0-9]{0,5}\.?[a-z.]{0,12}", fullmatch=True),
)
VALUES = st.one_of(
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.integers(min_value=0, max_value=5),
)
REPLIES = st.builds(
    lambda kept, changed, tick: {**(whole(tick) if kept else {}), **changed},
    st.booleans(),
    st.dictionaries(FIELDS, VALUES, max_size=8),
    st.integers(min_value=0, max_value=3),
)
PAIRS = st.lists(
    st.tuples(REPLIES, REPLIES, st.one_of(st.floats(), st.floats(0.5, 60.0))), max_size=4
)


@pytest.mark.parametrize("name", [name for name, _ in plugins(Collector)])
@settings(max_examples=60, deadline=None)
@given(pairs=PAIRS)
def test_any_replies_give_sound_columns(
    name: str, pairs: list[tuple[dict[str, object], dict[str, object], float]]
) -> None:
    """Whatever two replies say, the columns are whole, and NaN exactly where there is a gap."""
    make = dict(plugins(Collector))[name]
    collect(
        make,  # type: ignore[arg-type]
        [before for before, _, _ in pairs],
        [after for _, after, _ in pairs],
        [seconds for _, _, seconds in pairs],
    )


WORDS = st.one_of(
    st.sampled_from(
        (
            "lifecycle",
            "reboot",
            "watchdog",
            "io-error",
            "device-added",
            "device-removed",
            "device-removal-failed",
            "tunable",
            "metadata",
            "agent",
            "memory-failure",
            "control-error",
            "started",
            "stopped",
            "resumed",
            "suspended",
            "defined",
            "undefined",
            "crashed",
            "booted",
            "from-snapshot",
            "renamed",
            "restored",
            "panicked",
            "failed",
            "pause",
            "reset",
            "none",
            "unknown-99",
        )
    ),
    st.sampled_from(HOSTILE),
    st.text(max_size=12),
)
EVENTS = st.lists(
    st.builds(
        GuestEvent,
        guest=st.sampled_from([UUID, GuestId("another")]),
        name=WORDS,
        kind=WORDS,
        at=st.floats(0, 2e9),
        what=WORDS,
        detail=WORDS,
        facts=st.dictionaries(
            st.sampled_from(["alias", "path", "flags", "{x}"]), st.one_of(WORDS, st.integers())
        ),
    ),
    max_size=12,
)


def check(findings: Sequence[Finding], plugin: Listener | Probe) -> None:
    for finding in findings:
        assert finding.kind in plugin.kinds
        assert finding.source == plugin.name
        assert finding.family
        assert finding.summary
        assert finding.holds > 0


@pytest.mark.parametrize("name", [name for name, _ in plugins(Listener)])
@settings(max_examples=60, deadline=None)
@given(events=EVENTS)
def test_any_events_give_declared_findings(name: str, events: list[GuestEvent]) -> None:
    """Whatever happens, findings are of declared kinds, and the same events say the same."""
    listener = dict(plugins(Listener))[name]()
    assert isinstance(listener, Listener)
    kept = copy.deepcopy(events)
    findings = listener.notice(events, {})
    check(findings, listener)
    assert events == kept
    fresh = dict(plugins(Listener))[name]()
    assert isinstance(fresh, Listener)
    assert list(fresh.notice(events, {})) == list(findings)
    keys = [(finding.guest, finding.kind, finding.key) for finding in findings]
    assert len(set(keys)) == len(keys)


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
