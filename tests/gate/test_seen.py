"""How policy, history and the plan see a gated disk; and the unit that serves it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree as ET

import pytest
from defusedxml.ElementTree import fromstring

from tests.gate.servers import GUEST, gate_of
from trustd.enforce import plan
from trustd.enforce.gating import gated, served_at, ungated
from trustd.gate import Gate, Gates
from trustd.hypervisor.devices import disk as described
from trustd.model import Access, Disk, EffectivePermissions, Guest, ObjectRef
from trustd.pipeline import Gated

UNIT = Path(__file__).parents[2] / "contrib/systemd/trustd-gate@.service"
LEVERS = {"disk-gate", "disk-throttle"}
BEFORE = (
    '<disk type="file" device="disk"><driver name="qemu" type="qcow2" cache="none"'
    ' error_policy="stop" /><source file="/pool/a.qcow2" /><target dev="vda" bus="virtio" />'
    "</disk>"
)


@pytest.fixture
def gates(tmp_path: Path) -> Gates:
    return Gates(tmp_path / "gates", tmp_path / "run")


@pytest.fixture
def gate(tmp_path: Path, gates: Gates) -> Gate:
    made = replace(gate_of(tmp_path), identity="/pool/a.qcow2")
    gates.add(made)
    return made


def with_disk(identity: str, target: str = "vda") -> Guest:
    return Guest(GUEST, "web", disks=(Disk(target, identity), Disk("vdb", "/pool/b")))


def lost(*actions: str) -> EffectivePermissions:
    volume = ObjectRef("volume", "/pool/a.qcow2")
    access = Access(volume, held=frozenset(), lost=frozenset(actions))
    return EffectivePermissions("guarded", ("web",), (access,))


def test_a_gated_disk_is_the_volume_that_it_was(gates: Gates, gate: Gate) -> None:
    """The description has a socket; policy and history go on to have the volume."""
    inventory = MappingProxyType({GUEST: with_disk(f"nbd://{gate.socket}/")})
    seen = Gated(gates).apply(inventory)[GUEST]
    assert seen.disks[0] == Disk("vda", "/pool/a.qcow2", gate=gate.id)
    assert seen.disks[1] == Disk("vdb", "/pool/b")


@pytest.mark.parametrize("identity", ["/pool/overlay.qcow2", "nbd:///run/other/socket/", ""])
def test_a_disk_that_goes_round_its_gate_is_not_gated(
    identity: str, gates: Gates, gate: Gate
) -> None:
    """After a snapshot or a change the disk is what the description says, and not at its gate."""
    assert gates.known == {gate.id: gate}
    inventory = MappingProxyType({GUEST: with_disk(identity)})
    assert Gated(gates).apply(inventory)[GUEST] == inventory[GUEST]


def test_no_guest_gets_by_with_anothers_gate(gates: Gates, gate: Gate) -> None:
    """A definition that names another guest's socket does not become that guest's volume."""
    other = replace(with_disk(f"nbd://{gate.socket}/"), id="another")
    moved = with_disk(f"nbd://{gate.socket}/", target="vdc")
    for guest in (other, moved):
        inventory = MappingProxyType({guest.id: guest})
        assert Gated(gates).apply(inventory)[guest.id].disks[0].gate == ""


def test_what_did_not_change_stays_the_same_object(gates: Gates, gate: Gate) -> None:
    """Readers compare by identity: an equal guest is not planned for anew."""
    line = Gated(gates)
    first = line.apply(MappingProxyType({GUEST: with_disk(f"nbd://{gate.socket}/")}))
    again = line.apply(MappingProxyType({GUEST: with_disk(f"nbd://{gate.socket}/")}))
    assert again[GUEST] is first[GUEST]
    gates.remove(gate)
    gone = line.apply(MappingProxyType({GUEST: with_disk(f"nbd://{gate.socket}/")}))
    assert gone[GUEST].disks[0].gate == ""


def test_a_gated_disk_is_denied_exactly_and_another_one_throttled() -> None:
    """Behind a gate a lost permission is made untrue exactly; elsewhere it says that it is not."""
    guest = Guest(GUEST, "web", disks=(Disk("vda", "/pool/a.qcow2", gate="g"),))
    (action,) = plan(guest, lost("read", "write"), levers=LEVERS)
    assert (action.lever, action.device) == ("disk-gate", "vda")
    assert action.setting == {"deny_read": True, "deny_write": True}
    assert not action.weaker
    open_ = Guest(GUEST, "web", disks=(Disk("vda", "/pool/a.qcow2"),))
    (action,) = plan(open_, lost("write"), levers=LEVERS)
    assert action.lever == "disk-throttle"
    assert "disk-gate" in action.weaker
    (action,) = plan(guest, lost("write"), levers={"disk-throttle"})
    assert action.lever == "disk-throttle"


@pytest.mark.parametrize(
    ("deny", "setting"),
    [
        ("write", {"deny_write": True}),
        ("read", {"deny_read": True}),
        ("all", {"deny_read": True, "deny_write": True}),
    ],
)
def test_the_measure_asks_for_every_disk(deny: str, setting: dict[str, bool]) -> None:
    """Also for one without a gate, which then comes back as not done: nothing is left out."""
    guest = with_disk("/pool/a.qcow2")
    actions = plan(guest, lost(), [{"do": "disk-gate", "deny": deny}], levers=LEVERS)
    assert [(each.lever, each.device, each.setting) for each in actions] == [
        ("disk-gate", "vda", setting),
        ("disk-gate", "vdb", setting),
    ]


def test_a_disk_moves_and_comes_back_as_it_was() -> None:
    """Type, source and error policies go and come back; all else is not touched."""
    before = fromstring(BEFORE)
    moved = gated(before, "/run/x/socket")
    assert served_at([moved], "vda") == "/run/x/socket"
    assert described(moved).identity == "nbd:///run/x/socket/"
    driver = moved.find("driver")
    assert driver is not None
    assert (driver.get("cache"), driver.get("error_policy")) == ("none", "report")
    assert ET.canonicalize(ET.tostring(before)) == ET.canonicalize(BEFORE)
    back = ungated(moved, BEFORE)
    assert sorted(map(ET.tostring, back)) == sorted(map(ET.tostring, before))
    assert back.attrib == before.attrib
    driver.set("cache", "writeback")
    assert ungated(moved, BEFORE).find("driver[@cache='writeback']") is not None


def test_the_unit_is_understood_and_confined(tmp_path: Path) -> None:
    """systemd finds nothing wrong in it, and its exposure is at most 2 of 10."""
    text = UNIT.read_text("utf-8")
    assert "python -I -m trustd.gate /var/lib/trustd/gates/%i" in text
    path = tmp_path / "trustd-gate@x.service"
    path.write_text(text.replace("/opt/trustd/bin/python", "/bin/true"))
    tool = shutil.which("systemd-analyze")
    assert tool, "install the Debian package systemd"
    verify = subprocess.run([tool, "verify", path], capture_output=True, text=True, check=False)
    assert verify.returncode == 0, verify.stderr
    assert path.name not in verify.stderr
    security = [tool, "security", "--offline=true", path]
    told = subprocess.run(security, capture_output=True, text=True, check=False).stdout
    level = re.search(r"exposure level for \S+: ([0-9.]+)", told)
    assert level, told
    assert float(level[1]) <= 2.0
