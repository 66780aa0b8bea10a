"""How often a real guest is asked to let go of a device, and for how long."""

from typing import Any

import libvirt
import pytest

from tests.lab.guest import Guest
from tests.lab.waiting import wait_until
from trustd.enforce.actuators import Unplug
from trustd.enforce.actuators.unplug import GONE
from trustd.errors import Refused, TimedOut

pytestmark = pytest.mark.lab


class _Clock:
    """Goes on by a little whenever it is read, however long that takes on a busy machine."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.06
        return self.now


def test_a_guest_has_its_time_again_where_nobody_asked_for_long(plugged: Guest) -> None:
    """Patience is for one asking: after a long pause the guest is asked anew, not blamed."""
    clock = _Clock()
    lever = Unplug(patience=1000.0, moment=0.1, clock=clock)

    def asked(after: float) -> type[Exception]:
        clock.now += after
        with plugged.domain() as domain, pytest.raises((Refused, TimedOut)) as error:
            lever.write(domain, "vdb", GONE)
        return error.type

    with plugged.domain() as domain:
        before = lever.read(domain, "vdb")
    plugged.stubborn(on=True)
    assert asked(0.0) is TimedOut
    for _ in range(9):
        assert asked(100.0) is TimedOut
    assert asked(150.0) is Refused
    assert asked(3600.0) is TimedOut

    plugged.stubborn(on=False)
    with plugged.domain() as domain:
        wait_until(lambda: "'vdb'" not in domain.XMLDesc(0), "let go of at last", seconds=60)
        lever.write(domain, "vdb", before)


class _Listened:
    """A guest's domain as libvirt gives it, and how often it was asked to let go of something."""

    def __init__(self, domain: libvirt.virDomain) -> None:
        self._domain = domain
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._domain, name)

    def detachDeviceAlias(self, alias: str, flags: int) -> None:  # noqa: N802 - libvirt's name
        self.asked += 1
        self._domain.detachDeviceAlias(alias, flags)


def test_a_guest_that_was_asked_is_left_some_seconds_before_it_is_asked_again(
    plugged: Guest,
) -> None:
    """Asked twice while it lets go, it would throw out what is plugged in there afterwards."""
    clock = _Clock()
    lever = Unplug(patience=1000.0, moment=0.1, clock=clock)
    plugged.stubborn(on=True)
    with plugged.domain() as domain:
        listened, before = _Listened(domain), lever.read(domain, "vdb")
        for _ in range(3):
            with pytest.raises(TimedOut):
                lever.write(listened, "vdb", GONE)
        assert listened.asked == 1
        clock.now += 6.0
        with pytest.raises(TimedOut):
            lever.write(listened, "vdb", GONE)
        assert listened.asked == 2

        plugged.stubborn(on=False)
        wait_until(lambda: "'vdb'" not in domain.XMLDesc(0), "let go of at last", seconds=60)
        lever.write(domain, "vdb", before)
