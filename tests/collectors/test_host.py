"""How busy the host is, from files as the kernel writes them."""

from pathlib import Path

import pytest

from collectors.host import Host
from trustd.errors import NoData
from trustd.model import HostLoad

PRESSURE = {"cpu": "12.50", "memory": "0.00", "io": "40.00"}


def proc(root: Path, *, pressure: bool = True, loadavg: str = "", ticks: str = "") -> Path:
    (root / "pressure").mkdir(exist_ok=True)
    for kind, value in PRESSURE.items():
        file = root / "pressure" / kind
        file.unlink(missing_ok=True)
        if pressure:
            file.write_text(
                f"some avg10={value} avg60=1.00 avg300=1.00 total=5\n"
                "full avg10=99.00 avg60=0.00 avg300=0.00 total=0\n"
            )
    (root / "loadavg").write_text(loadavg)
    (root / "stat").write_text(f"cpu  {ticks} 0 0\ncpu0 1 1 1 1\n" if ticks else "")
    return root


def test_pressure_is_the_load(tmp_path: Path) -> None:
    """The shares of the last ten seconds in which some work waited."""
    assert Host(proc(tmp_path)).sense() == HostLoad(cpu=0.125, memory=0.0, io=0.4)


def test_stolen_time_is_pressure_too(tmp_path: Path) -> None:
    """A host that is a guest itself: what was taken from it since the last call counts."""
    host = Host(proc(tmp_path, ticks="0 0 0 0 0 0 0 0"))
    assert host.sense().cpu == 0.125
    proc(tmp_path, ticks="50 0 0 20 0 0 0 30")
    assert host.sense().cpu == pytest.approx(0.3)
    proc(tmp_path, ticks="0 0 0 0 0 0 0 0")  # counters that began anew are no steal
    assert host.sense().cpu == 0.125


def test_without_pressure_the_queue_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runnable work that has no core, and waiting for disks."""
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    host = Host(proc(tmp_path, pressure=False, loadavg="16.0 1 1 1/9 9", ticks="0 0 0 0 0 0 0 0"))
    assert host.sense() == HostLoad(cpu=0.75, memory=0.0, io=0.0)
    proc(tmp_path, pressure=False, loadavg="2.0 1 1 1/9 9", ticks="50 0 0 30 20 0 0 0")
    assert host.sense() == HostLoad(cpu=0.0, memory=0.0, io=0.2)


@pytest.mark.parametrize("text", ["", "garbage", "some avg10=nan", "some avg10=250.0 a=1"])
def test_a_broken_file_is_no_pressure(tmp_path: Path, text: str) -> None:
    """A file that cannot be read as a share of time is passed over, not believed."""
    proc(tmp_path, loadavg="0.0 1 1 1/9 9")
    (tmp_path / "pressure" / "cpu").write_text(text)
    assert Host(tmp_path).sense() == HostLoad()


def test_a_host_that_does_not_say(tmp_path: Path) -> None:
    """Nothing to read is no data, with what to do."""
    with pytest.raises(NoData, match="mount procfs"):
        Host(tmp_path).sense()
