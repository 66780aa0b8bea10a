"""Fleets for tests: real values of the model, small to write."""

from __future__ import annotations

import uuid
from dataclasses import replace
from math import nan
from typing import Any

from trustd.model import (
    Access,
    Action,
    Assessment,
    Disk,
    Driver,
    EffectivePermissions,
    FeatureSpec,
    Finding,
    Fleet,
    Freshness,
    Gap,
    GapReason,
    Guest,
    GuestId,
    GuestState,
    HostLoad,
    HypervisorCondition,
    Mode,
    Nic,
    ObjectRef,
    Opinion,
    Outcome,
    OutcomeStatus,
    PluginHealth,
    PolicyInfo,
    Severity,
    Unit,
)

BANDS = ("trusted", "guarded", "restricted", "isolated")
AT = 1_790_000_000.0
POLICY = "5f" * 32

FEATURES = (
    FeatureSpec("cpu.usage", Unit.PERCENT, "cpu"),
    FeatureSpec("memory.used", Unit.PERCENT, "memory"),
    FeatureSpec("disk.read.bytes", Unit.BYTES_PER_SECOND, "disk"),
    FeatureSpec("disk.write.bytes", Unit.BYTES_PER_SECOND, "disk"),
    FeatureSpec("disk.read.requests", Unit.EVENTS_PER_SECOND, "disk"),
    FeatureSpec("disk.write.requests", Unit.EVENTS_PER_SECOND, "disk"),
    FeatureSpec("net.rx.bytes", Unit.BYTES_PER_SECOND, "network"),
    FeatureSpec("net.tx.bytes", Unit.BYTES_PER_SECOND, "network"),
    FeatureSpec("net.rx.packets", Unit.EVENTS_PER_SECOND, "network"),
    FeatureSpec("net.tx.packets", Unit.EVENTS_PER_SECOND, "network"),
)


def guest_id(number: int) -> GuestId:
    """The same UUID for the same number."""
    return GuestId(str(uuid.UUID(int=(0xD0 << 120) + number)))


def assessed(
    name: str = "web-1",
    number: int = 1,
    *,
    trust: float = 0.91,
    uncertainty: float = 0.1,
    band: str = "trusted",
    roles: tuple[str, ...] = ("web",),
    labels: dict[str, str] | None = None,
    state: GuestState = GuestState.RUNNING,
    **other: Any,
) -> Assessment:
    """One guest, well unless told otherwise; further fields by name."""
    identity = guest_id(number)
    known = Guest(
        id=identity,
        name=name,
        state=state,
        labels={"app": "web"} if labels is None else labels,
        vcpus=2,
        memory=1 << 30,
        disks=(Disk("vda", f"/pool/{number}.qcow2"),),
        nics=(Nic("52:54:00:00:00:01", "default", "tap0"),),
    )
    base = Assessment(
        guest=known,
        tick=7,
        at=AT,
        freshness=Freshness.FRESH,
        age=0.5,
        samples={
            "cpu.usage": 12.5,
            "net.tx.bytes": 4096.0,
            "net.rx.bytes": nan,
            "memory.used": Gap(GapReason.NOT_REPORTED),
        },
        findings=(),
        opinion=Opinion(
            belief=(1 - uncertainty) * 0.96,
            disbelief=(1 - uncertainty) * 0.04,
            uncertainty=uncertainty,
        ),
        trust=trust,
        drivers=(),
        permissions=EffectivePermissions(
            band=band,
            roles=roles,
            access=(
                Access(
                    ObjectRef("volume", f"/pool/{number}.qcow2"),
                    held=frozenset({"read", "write"}),
                    lost=frozenset(),
                ),
            ),
        ),
        since=AT - 3600,
        outcomes=(),
        mode=Mode.ENFORCE,
        policy=POLICY,
    )
    return replace(base, **other)


def narrowed(
    name: str = "bad-1",
    number: int = 2,
    *,
    labels: dict[str, str] | None = None,
    **other: Any,
) -> Assessment:
    """A guest that misbehaved and lost what it may write and send."""
    identity = guest_id(number)
    throttle = Action(
        guest=identity,
        lever="disk-throttle",
        device="vda",
        setting={"write_bytes": 1 << 20},
        because="band restricted takes write from volume",
        weaker="",
    )
    unlink = Action(
        guest=identity,
        lever="nic-link",
        device="52:54:00:00:00:01",
        setting={"up": False},
        because="band restricted takes send from network default",
    )
    base = assessed(
        name,
        number,
        trust=0.27,
        uncertainty=0.05,
        band="restricted",
        labels=labels,
        drivers=(
            Driver("disk.write.bytes", 0.7, "92 MB/s, usually below 3 MB/s; seen once in 9 days"),
            Driver("snapshot-revert", 0.3, "reverted to a snapshot 20 s ago"),
        ),
        findings=(
            Finding(
                guest=identity,
                kind="snapshot-revert",
                severity=Severity.MAJOR,
                family="lifecycle",
                source="lifecycle",
                at=AT - 20,
                summary="the guest was reverted to a snapshot",
                facts={"snapshot": "clean", "huge": 2**70},
            ),
        ),
        outcomes=(
            Outcome(
                throttle, OutcomeStatus.APPLIED, AT + 0.2, prior={"write_bytes": 0}, seconds=0.05
            ),
            Outcome(unlink, OutcomeStatus.FAILED, AT + 0.3, error="device busy", seconds=0.1),
        ),
    )
    lost = Access(
        ObjectRef("volume", f"/pool/{number}.qcow2"),
        held=frozenset({"read"}),
        lost=frozenset({"write"}),
    )
    return replace(base, permissions=replace(base.permissions, access=(lost,)), **other)


def fleet(*guests: Assessment, **other: Any) -> Fleet:
    """A fleet of these guests, well unless told otherwise; further fields by name."""
    base = Fleet(
        tick=7,
        at=AT,
        seconds=0.02,
        interval=10.0,
        overruns=0,
        guests={guest.id: guest for guest in guests},
        bands=BANDS,
        mode=Mode.ENFORCE,
        policy=PolicyInfo("demo", POLICY, "/etc/trustd/policies/default.yaml", AT - 100),
        hypervisor=HypervisorCondition(up=True, since=AT - 1000),
        host=HostLoad(cpu=0.1, memory=0.0, io=0.02),
        plugins={"cpu": PluginHealth(seconds=0.001), "emulator": PluginHealth(0.2, 3, "timeout")},
    )
    return replace(base, **other)
