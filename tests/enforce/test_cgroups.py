"""Finding a guest's control groups, in both versions and beside other hypervisors' guests."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from trustd.enforce.cgroups import CpuGroups
from trustd.errors import Refused

MINE = "d5a3c7a0-0000-4000-8000-000000000001"
OTHER = "d5a3c7a0-0000-4000-8000-000000000002"


@dataclass
class Running:
    """As much of a domain as tells one guest from another."""

    uuid: str
    number: int = 3

    def ID(self) -> int:  # noqa: N802 - libvirt's name
        return self.number

    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        return self.uuid


@pytest.fixture
def emulator() -> Iterator[int]:
    """A process whose arguments name the guest, as QEMU's do."""
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()", "-uuid", MINE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # until then it is still a copy of us
        yield process.pid
        process.communicate(b"\n")


def group(path: Path, file: str, value: str, process: int) -> Path:
    for name in ("emulator", "vcpu0", "vcpu1"):
        (path / name).mkdir(parents=True)
        (path / name / file).write_text(value)
    (path / "emulator" / "cgroup.procs").write_text(f"{process}\n")
    return path


def test_version_two_under_systemd_is_found_and_set(tmp_path: Path, emulator: int) -> None:
    """The scope's inner group is libvirt's; no limit is spelled ``max``."""
    scope = tmp_path / "machine.slice" / "machine-qemu\\x2d3\\x2dweb.scope"
    inner = group(scope / "libvirt", "cpu.max", "max 100000", emulator)
    found = CpuGroups.of(Running(MINE), tmp_path)  # type: ignore[arg-type]
    assert found == CpuGroups(inner)
    found.set_quotas({"vcpu_quota": 5000, "emulator_quota": -1})
    assert (inner / "vcpu0" / "cpu.max").read_text() == "5000"
    assert (inner / "vcpu1" / "cpu.max").read_text() == "5000"
    assert (inner / "emulator" / "cpu.max").read_text() == "max"


def test_version_one_in_a_partition_is_found_and_set(tmp_path: Path, emulator: int) -> None:
    """Where a guest has a partition of its own the group is deeper."""
    inner = group(
        tmp_path / "cpu" / "gold" / "machine" / "qemu-3-web.libvirt-qemu",
        "cpu.cfs_quota_us",
        "-1",
        emulator,
    )
    found = CpuGroups.of(Running(MINE), tmp_path)  # type: ignore[arg-type]
    assert found == CpuGroups(inner)
    found.set_quotas({"vcpu_quota": 5000})
    assert (inner / "vcpu1" / "cpu.cfs_quota_us").read_text() == "5000"
    found.set_quotas({"vcpu_quota": -1})
    assert (inner / "vcpu1" / "cpu.cfs_quota_us").read_text() == "-1"


def test_the_same_number_on_another_hypervisor_is_another_guest(
    tmp_path: Path, emulator: int
) -> None:
    """A group whose emulator runs another UUID is never taken for the guest's."""
    group(tmp_path / "cpu" / "machine" / "qemu-3-web", "cpu.cfs_quota_us", "-1", emulator)
    assert CpuGroups.of(Running(OTHER), tmp_path) is None  # type: ignore[arg-type]
    assert CpuGroups.of(Running(MINE, 33), tmp_path) is None  # type: ignore[arg-type]


def test_a_group_that_ends_meanwhile_is_an_error_of_ours(tmp_path: Path, emulator: int) -> None:
    """A guest that stops between looking and setting is refused, not a crash."""
    inner = group(tmp_path / "machine" / "qemu-3-web", "cpu.max", "max 1", emulator)
    (inner / "vcpu0" / "cpu.max").unlink()
    (inner / "vcpu0" / "cpu.max").mkdir()  # any file that cannot be written
    with pytest.raises(Refused, match="vcpu0"):
        CpuGroups(inner).set_quotas({"vcpu_quota": 5000})
