"""A recording gives back what went in, and a damaged one says where."""

from __future__ import annotations

import resource
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustd.errors import DocumentError, StoreError
from trustd.hypervisor import Recorder, ReplayHypervisor
from trustd.hypervisor.recording import (
    Differences,
    EventsLine,
    Header,
    InventoryLine,
    ResyncLine,
    decoded,
    encoded,
)
from trustd.model import (
    Disk,
    Guest,
    GuestEvent,
    GuestId,
    GuestReading,
    GuestState,
    HostDevice,
    HypervisorCondition,
    Nic,
    Reading,
)

A, B = GuestId("aaaaaaaa-0000-0000-0000-000000000000"), GuestId("b")

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
stat_values = (
    st.integers(-(2**63), 2**64 - 1)
    | st.booleans()
    | text
    | st.floats(allow_nan=False, allow_infinity=False)
)
stats = st.dictionaries(st.sampled_from(["cpu.time", "net.0.name", "x", "y"]) | text, stat_values)
parts = st.builds(
    GuestReading,
    guest=st.just(A),
    state=st.sampled_from(GuestState),
    at=st.floats(0, 1e10),
    clock=st.floats(0, 1e10),
    stats=stats,
    whole=st.booleans(),
)
readings = st.builds(
    Reading,
    at=st.floats(0, 1e10),
    clock=st.floats(0, 1e10),
    guests=st.dictionaries(st.sampled_from([A, B]), parts),
    error=text,
)


def same_types(one: Reading, other: Reading) -> bool:
    return all(
        [type(v) for v in part.stats.values()]
        == [type(other.guests[guest].stats[name]) for name in part.stats]
        for guest, part in one.guests.items()
    )


@given(st.lists(readings, max_size=6))
def test_any_readings_come_back_equal(sequence):
    """Fields that appear, change, vanish or change their type between readings included."""
    writer, reader = Differences(), Differences()
    for number, reading in enumerate(sequence):
        keyed = Reading(
            reading.at,
            reading.clock,
            {
                guest: GuestReading(guest, p.state, p.at, p.clock, p.stats, p.whole)
                for guest, p in reading.guests.items()
            },
            reading.error,
        )
        restored = reader.restored(decoded(encoded(writer.shortened(keyed))))
        assert restored == keyed, number
        assert same_types(keyed, restored)


def test_a_line_holds_only_what_changed():
    """A counter that stands still costs nothing."""
    writer = Differences()
    part = GuestReading(A, GuestState.RUNNING, 1.0, 1.0, {"still": 1, "moves": 1, "goes": 1})
    writer.shortened(Reading(1.0, 1.0, {A: part}))
    later = GuestReading(A, GuestState.RUNNING, 2.0, 2.0, {"still": 1, "moves": 2})
    (change,) = writer.shortened(Reading(2.0, 2.0, {A: later})).guests
    assert change.set == {"moves": 2}
    assert change.gone == ("goes",)


@given(name=text, label=text, path=text)
def test_inventories_and_events_come_back_equal(name, label, path):
    """Names, labels and paths of any content, line feeds and controls included."""
    guest = Guest(
        A,
        name,
        GuestState.PAUSED,
        {"k": label},
        2,
        3,
        4,
        (Disk("vda", path, "cdrom", readonly=True, alias="x"),),
        (Nic("m", "n", "t", link=False),),
        (HostDevice("pci:1"),),
    )
    events = (GuestEvent(A, name, "tunable", 1.5, "w", "d", {"n": 1, "s": label}),)
    for line in (InventoryLine((guest,), (B,)), EventsLine(events), ResyncLine(), Header(2.0)):
        assert encoded(line).count(b"\n") == 1
        assert decoded(encoded(line)) == line


class Scripted:
    """A hypervisor with a script: each tick a reading, events and an inventory."""

    def __init__(self, ticks: int) -> None:
        self.tick = 0
        self.ticks = ticks
        self.closed = False

    def start(self) -> None:
        self.tick = 0

    def sample(self) -> Reading:
        self.tick += 1
        part = GuestReading(A, GuestState.RUNNING, self.tick, self.tick, {"cpu.time": self.tick})
        error = "gone" if self.tick == 3 else ""
        return Reading(self.tick, self.tick, {} if error else {A: part}, error)

    def inventory(self) -> dict[GuestId, Guest]:
        return {} if self.tick == 4 else {A: Guest(A, f"name {self.tick // 2}")}

    def events(self) -> list[GuestEvent]:
        return [GuestEvent(A, "a", "reboot", self.tick)] if self.tick % 2 else []

    def resynced(self) -> bool:
        return self.tick in (0, 3)

    def condition(self) -> HypervisorCondition:
        return HypervisorCondition(up=True, since=0.0)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def file(tmp_path):
    """A recording of six ticks: one line for each thing that was said."""
    door = Scripted(6)
    recorder = Recorder(door, tmp_path / "r.jsonl", at=0.5)
    recorder.start()
    for _ in range(6):
        recorder.resynced()
        recorder.events()
        recorder.sample()
        recorder.inventory()
    recorder.close()
    assert door.closed
    return tmp_path / "r.jsonl"


def played(file):
    replay = ReplayHypervisor(file)
    seen = []
    while not replay.ended:
        resynced, events = replay.resynced(), replay.events()
        reading = replay.sample()
        names = [guest.name for guest in replay.inventory().values()]
        seen.append((resynced, len(events), reading.at, reading.error, names))
    replay.close()
    return seen, replay.problem


def test_a_replay_keeps_the_order_of_a_line_that_asks_for_events_first(file):
    """Each tick finds the events, the reading and the inventory that the recorded one found."""
    seen, problem = played(file)
    assert problem is None
    assert seen == [
        (True, 0, 1.0, "", ["name 0"]),
        (False, 1, 2.0, "", ["name 1"]),
        (False, 0, 3.0, "gone", ["name 1"]),
        (True, 1, 4.0, "", []),
        (False, 0, 5.0, "", ["name 2"]),
        (False, 1, 6.0, "", ["name 3"]),
    ]


def test_a_recording_is_its_owners_alone(file):
    """Guests' names, paths and labels are in it."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_recording_is_never_overwritten(file):
    """A second recording into the same file is refused, and the first stays as it is."""
    before = file.read_bytes()
    with pytest.raises(StoreError, match="exists already"):
        Recorder(Scripted(1), file, at=0.0)
    assert file.read_bytes() == before


@pytest.fixture
def small_files():
    """No file may grow past 4 KiB while the test runs: the disk is full, so to speak."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_cannot_be_written_is_said(tmp_path, small_files):
    """A recorder that cannot write says so instead of losing lines."""
    recorder = Recorder(Scripted(1), tmp_path / "r.jsonl", at=0.0)

    def fill():
        while True:
            recorder.sample()

    with pytest.raises(StoreError, match=r"r\.jsonl: cannot be written: File too large"):
        fill()
    recorder.close()


def test_a_place_where_no_file_can_be_is_said(tmp_path):
    """The path is in the error."""
    with pytest.raises(StoreError, match="nowhere/r"):
        Recorder(Scripted(1), tmp_path / "nowhere" / "r", at=0.0)


def test_a_replay_that_is_over_says_so(file):
    """After the last reading there is an error, not a repetition."""
    replay = ReplayHypervisor(file)
    while not replay.ended:
        last = replay.sample()
    after = replay.sample()
    assert last.error == ""
    assert "ended" in after.error
    assert not after.guests
    assert not replay.condition().up
    replay.close()


def test_a_recording_that_was_cut_off_plays_up_to_the_cut(file):
    """A killed recorder loses its last line; where, is said."""
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(whole[:-20])
    seen, problem = played(file)
    assert len(seen) == 6
    assert problem is not None
    assert problem.line == len(lines)
    assert "cut off" in problem.message


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (b"not json\n", "JSON"),
        (b'{"kind":"reading","at":"x","clock":1,"error":"","guests":[]}\n', "number"),
        (b'{"kind":"surprise"}\n', "surprise"),
        (b"[]\n", "object"),
        (encoded(Header(1.0)), "second header"),
        (b'{"kind":"events","events":[{"guest":7}]}\n', "string"),
        (b"\xff\xfe\n", "JSON"),
    ],
)
def test_a_damaged_line_is_named_and_ends_the_replay(file, damage, message):
    """What came before is played; the problem has the file and the line."""
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:8], damage, *lines[8:]]))
    seen, problem = played(file)
    assert seen
    assert problem is not None
    assert problem.path == str(file)
    assert problem.line == 9
    assert message in problem.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a recording"),
        (b'{"kind":"resync"}\n', "not a recording"),
        (b'{"kind":"header","at":1.0,"format":"other","version":1}\n', "not a recording"),
        (b'{"kind":"header","at":1.0,"format":"trustd-recording","version":9}\n', "version 9"),
        (b"\x7fELF\n", "JSON"),
    ],
)
def test_what_is_no_recording_is_refused_at_once(tmp_path, content, message):
    """A wrong file or a wrong version is refused before anything is played."""
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=message) as caught:
        ReplayHypervisor(path)
    assert caught.value.path == str(path)


def test_a_missing_file_is_refused(tmp_path):
    """The file's name is in the error."""
    with pytest.raises(DocumentError, match="nothing-here"):
        ReplayHypervisor(tmp_path / "nothing-here")
