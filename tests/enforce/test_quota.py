"""A quota of processor time on a real guest: felt inside, read back, undone to the byte."""

import pytest

from tests.enforce.conftest import SETTINGS
from tests.enforce.standing import MemoryLedger, action, everything, reconciled, statuses
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.waiting import wait_until
from trustd.enforce import Enforcer
from trustd.enforce.actuators import CpuQuota
from trustd.hypervisor import ControlConnection

pytestmark = pytest.mark.lab


def test_a_quota_is_felt_and_given_back_to_the_byte(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """At a thirtieth of a processor the guest is slow; its XML never even shows it."""
    before = everything(subject)
    fast = max(subject.speed() for _ in range(3))  # who else keeps the machine busy changes

    applied = reconciled(enforcer, subject, action(subject, "cpu-quota", {"percent": 3}))
    assert statuses(applied) == ["applied"]
    during = everything(subject)
    assert (during["cpu"]["vcpu_quota"], during["cpu"]["emulator_quota"]) == (3000, 20000)
    assert during["live"] == before["live"]
    slow: list[float] = []

    def is_slow() -> bool:
        slow.append(subject.speed())
        return 0 < slow[-1] < fast / 3

    wait_until(is_slow, "slow", seconds=60)

    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    assert everything(subject) == before
    assert not ledger.kept
    wait_until(lambda: subject.speed() > 3 * slow[-1], "fast again", seconds=60)


def test_without_control_groups_a_quota_leaves_only_what_libvirt_keeps(
    subject: Guest, control: ControlConnection, ledger: MemoryLedger, hypervisor: Hypervisor
) -> None:
    """Through libvirt every tunable comes back, and the XML but for quotas that say "none"."""
    before = everything(subject)
    lever = CpuQuota(hypervisor.path("/sys/fs/no-such-mount"))
    enforcer = Enforcer(control, ledger, [lever], SETTINGS)
    applied = reconciled(enforcer, subject, action(subject, "cpu-quota", {"percent": 10}))
    assert statuses(applied) == ["applied"]
    assert everything(subject)["cpu"]["vcpu_quota"] == 10000
    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    enforcer.close()

    after = everything(subject)
    left = "".join(
        f"  {line}\n"
        for line in (
            "<cputune>",
            "  <quota>-1</quota>",
            "  <emulator_quota>-1</emulator_quota>",
            "</cputune>",
        )
    )
    assert left in after["live"]
    assert after | {"live": after["live"].replace(left, "")} == before

    subject.destroy()  # only a new run is rid of it
    subject.start()
    subject.wait_ready()
    assert "cputune" not in everything(subject)["live"]


def test_a_narrower_state_over_a_narrow_one_is_undone_to_the_first(
    subject: Guest, enforcer: Enforcer
) -> None:
    """Through several bands and back, the state before the first is what comes back."""
    before = everything(subject)
    for percent in (50, 10, 70):
        wanted = action(subject, "cpu-quota", {"percent": percent})
        assert statuses(reconciled(enforcer, subject, wanted)) == ["applied"]
        assert everything(subject)["cpu"]["vcpu_quota"] == percent * 1000
    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    assert everything(subject) == before
