"""Evidence of a real guest: its memory, its disks, and no trace left on it."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
import orjson
import pytest

from tests.enforce.standing import everything
from tests.enforce.test_errands import occasion
from tests.lab.fixtures import StartGuests
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from trustd.enforce.errands import Capture, Evidence
from trustd.enforce.errands import capture as module
from trustd.enforce.errands.overlay import divert, reunite
from trustd.errors import EnforceError, Refused, TimedOut
from trustd.hypervisor import ControlConnection
from trustd.hypervisor.description import guest_from_xml
from trustd.model import Action, GuestId, GuestState

pytestmark = pytest.mark.lab


@pytest.fixture
def place(shared: Path) -> Iterator[Path]:
    """A directory that the hypervisor sees under the same path."""
    directory = shared / f"evidence-{os.getpid()}"
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def new_capture(
    control: ControlConnection, hypervisor: Hypervisor, place: Path
) -> Callable[..., Capture]:
    def make(most: int = 2**30) -> Capture:
        return Capture(control, Evidence(place, most, 0, 9), root=hypervisor.path("/"))

    return make


def _wanted(guest: Guest, *, memory: bool = False, disks: bool = False) -> Action:
    setting = {"memory": memory, "disks": disks}
    return Action(GuestId(guest.uuid), "capture", "", setting, "isolated: entered")


def _folder(place: Path, guest: Guest) -> Path:
    (folder,) = (place / guest.uuid).iterdir()
    return folder


def test_memory_and_disks_are_kept_with_a_manifest_and_leave_no_trace(
    subject: Guest, new_capture: Callable[..., Capture], place: Path, hypervisor: Hypervisor
) -> None:
    """Both disks of a guest that goes on writing, and its memory; then its XML is as before."""
    before = everything(subject)
    images = {each.name for each in hypervisor.path("/var/lib/libvirt/images").iterdir()}
    subject.write(500_000)
    told = new_capture().do(_wanted(subject, memory=True, disks=True), occasion())
    folder = _folder(place, subject)
    assert told == {"evidence": str(folder)}

    assert {each.name for each in folder.iterdir()} == {
        "manifest.json",
        "memory.elf",
        "occasion.json",
        "vda.disk",
        "vdb.disk",
    }
    for each in (*folder.iterdir(), folder, folder.parent, place):
        assert each.stat().st_mode & 0o077 == 0
    assert (folder / "memory.elf").read_bytes()[:4] == b"\x7fELF"
    assert (folder / "memory.elf").stat().st_size >= subject.spec.memory
    assert (folder / "vda.disk").read_bytes()[:4] == b"QFI\xfb"
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    assert (manifest["guest"], manifest["missing"]) == (subject.uuid, [])
    for each in manifest["files"]:
        content = (folder / each["name"]).read_bytes()
        assert each["sha256"] == hashlib.sha256(content).hexdigest()

    assert everything(subject) == before
    assert not list((place / "diverted").iterdir())

    def clean() -> bool:
        return {e.name for e in hypervisor.path("/var/lib/libvirt/images").iterdir()} == images

    wait_until(clean, "no overlay left", seconds=60)
    wait_until(lambda: subject.rates().written > 1e5, "writing on", seconds=60)


def test_a_paused_guest_is_captured_too(
    subject: Guest, new_capture: Callable[..., Capture], place: Path
) -> None:
    """Where a band pauses and captures, the capture is of the moment of the pause."""
    before = everything(subject)
    with subject.domain() as domain:
        domain.suspend()
        try:
            new_capture().do(_wanted(subject, memory=True, disks=True), occasion())
            assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
        finally:
            domain.resume()
    assert len(list(_folder(place, subject).iterdir())) == 5
    assert everything(subject) == before


def test_without_room_nothing_is_begun(
    subject: Guest, new_capture: Callable[..., Capture], place: Path
) -> None:
    """The size of the guest's memory is known before, and so is that it does not fit."""
    with pytest.raises(Refused, match="larger than"):
        new_capture(most=1_000_000).do(_wanted(subject, memory=True), occasion())
    assert not (place / subject.uuid).exists()


def test_a_disk_is_not_diverted_where_the_guest_might_fill_its_file_system(
    subject: Guest,
    new_capture: Callable[..., Capture],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Evidence has room, the images' file system has not: told, and the guest goes on."""
    before = everything(subject)
    measured = shutil.disk_usage

    def nearly_full(path: Path) -> object:
        found = measured(path)
        return found._replace(free=0) if path.name == "images" else found

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    monkeypatch.setattr(module, "divert", lambda *_: pytest.fail("it was diverted"))
    with pytest.raises(EnforceError, match="might leave 0 bytes of its file system"):
        new_capture().do(_wanted(subject, disks=True), occasion())
    assert {each.name for each in _folder(place, subject).iterdir()} == {
        "manifest.json",
        "occasion.json",
    }
    assert everything(subject) == before


def test_room_beside_a_disk_is_reckoned_by_what_the_disk_holds(tmp_path: Path) -> None:
    """A hole takes no room, what was written does, and twice where its copy goes there too."""
    disk, holes = tmp_path / "full.raw", tmp_path / "thin.raw"
    disk.write_bytes(os.urandom(1 << 20))
    with holes.open("wb") as file:
        file.truncate(1 << 40)
    evidence = Evidence(tmp_path, 2**30, 0, 9)
    evidence.beside(holes)
    evidence.beside(disk)
    short = Evidence(tmp_path, 2**30, shutil.disk_usage(tmp_path).free - (3 << 19), 9)
    short.beside(holes)
    with pytest.raises(Refused, match="might leave"):
        short.beside(disk)


def test_a_disk_that_cannot_be_copied_is_not_left_aside(
    subject: Guest,
    new_capture: Callable[..., Capture],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk in the middle of a copy: told, and the guest is on its own disk again."""
    before = everything(subject)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "copy_sparse", full)
    with pytest.raises(EnforceError, match="No space left"):
        new_capture().do(_wanted(subject, disks=True), occasion())
    assert everything(subject) == before
    manifest = orjson.loads((_folder(place, subject) / "manifest.json").read_bytes())
    assert len(manifest["missing"]) == 2


def test_what_a_crash_left_aside_is_brought_back_by_the_next_run(
    subject: Guest,
    new_capture: Callable[..., Capture],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed while a disk was copied: the next trustd finds the note and reunites the disk.
    Meanwhile the guest's disk is its own to whoever decides."""
    before, identity = everything(subject), GuestId(subject.uuid)
    subject.write(500_000)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "copy_sparse", killed)
    monkeypatch.setattr(Capture, "_reunite", killed)
    with pytest.raises(KeyboardInterrupt):
        new_capture().do(_wanted(subject, disks=True), occasion())
    monkeypatch.undo()
    during = everything(subject)
    assert ".trustd-" in during["live"]
    assert ".trustd-" in during["persistent"]

    following = new_capture()
    guest = guest_from_xml(identity, subject.name, GuestState.RUNNING, during["live"])
    assert ".trustd-" in guest.disks[0].identity
    seen = following.undiverted({identity: guest})[identity]
    assert seen.disks[0].identity == subject.spec.disk_path(0)
    following.mend()
    assert everything(subject) == before
    assert not list((place / "diverted").iterdir())


def test_a_guest_that_hangs_costs_its_own_capture_only(
    guests: StartGuests, new_capture: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer within the deadline is told, and nothing is left behind on the guest."""
    (hung,) = guests(GuestSpec("hung"))
    before = everything(hung)
    monkeypatch.setattr(module, "_QUICK", 1.0)
    hung.freeze()
    try:
        with pytest.raises(TimedOut):
            new_capture().do(_wanted(hung, disks=True), occasion())
    finally:
        hung.thaw()
    assert everything(hung) == before


def test_only_the_disk_that_is_meant_is_diverted(subject: Guest, hypervisor: Hypervisor) -> None:
    """Every other disk of the guest stays as it is."""
    before = everything(subject)
    base = subject.spec.disk_path(1)
    with subject.domain() as domain:
        divert(domain, "vdb", f"{base}.trustd-x")
        during = domain.XMLDesc(0)
        assert during.count(".trustd-x'") == 1
        assert reunite(domain, "vdb", f"{base}.trustd-x", deadline=60)
        assert not reunite(domain, "vdb", f"{base}.trustd-x", deadline=60)
    assert everything(subject) == before
    path = hypervisor.path(f"{base}.trustd-x")
    wait_until(lambda: not path.exists(), "the overlay is deleted", seconds=60)
