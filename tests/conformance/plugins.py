"""The plug-ins of the entry-point table, and replies of libvirt to give them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points

import numpy as np
import pytest

from trustd.model import Columns, GapReason, GuestId, ReplyTable, Stats
from trustd.spi import Collector, Plugin

TABLE = tuple(entry_points(group="trustd.collectors"))
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
