"""Events become words, and no guest's flood costs another guest its own."""

from __future__ import annotations

from collections.abc import Iterator

import libvirt
import pytest

from tests.lab.waiting import wait_until
from trustd.hypervisor.event_queue import EventQueue
from trustd.hypervisor.events import Subscription
from trustd.hypervisor.loop import run_event_loop
from trustd.model import GuestEvent, GuestId


def event(guest: str, at: float = 0.0) -> GuestEvent:
    return GuestEvent(GuestId(guest), guest, "reboot", at)


def test_a_flood_of_one_guest_leaves_room_for_the_others():
    """The flooding guest loses its own events; the loss is counted."""
    queue = EventQueue(each=10, most=100)
    kept = [queue.put(event("noisy", at=number)) for number in range(50)]
    assert kept == [True] * 10 + [False] * 40
    assert queue.put(event("quiet"))
    assert queue.dropped == 40
    taken = queue.take()
    assert [e.at for e in taken if e.guest == "noisy"] == list(range(10))
    assert [e.guest for e in taken][-1] == "quiet"


def test_after_they_were_taken_there_is_room_again():
    """The limit is on what waits."""
    queue = EventQueue(each=1, most=2)
    assert queue.put(event("a"))
    assert not queue.put(event("a"))
    assert len(queue.take()) == 1
    assert queue.put(event("a"))
    assert queue.take() == [event("a")]
    assert queue.take() == []


def test_the_whole_is_bounded_too():
    """Many guests together do not grow it without end."""
    queue = EventQueue(each=10, most=5)
    assert sum(queue.put(event(str(number))) for number in range(20)) == 5


class Sink:
    """libvirt's own test driver and what a subscription to it heard."""

    def __init__(self) -> None:
        run_event_loop()
        self.heard: list[GuestEvent] = []
        self.connection = libvirt.open("test:///default")
        self.subscription = Subscription(self.connection, self.heard.append)
        self.domain = self.connection.lookupByName("test")

    def close(self) -> None:
        self.subscription.end()
        del self.domain
        self.connection.close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


def test_lifecycle_events_arrive_through_the_loop(sink):
    """The one thread that runs libvirt's loop delivers what happens."""
    sink.domain.suspend()
    wait_until(lambda: bool(sink.heard), "the event arrived", seconds=30)
    (heard,) = sink.heard
    assert (heard.name, heard.kind, heard.what, heard.detail) == (
        "test",
        "lifecycle",
        "suspended",
        "paused",
    )
    assert heard.guest == sink.domain.UUIDString()


def test_after_its_end_a_subscription_is_silent(sink):
    """What was registered is taken back."""
    sink.subscription.end()
    witness = Subscription(sink.connection, (later := []).append)
    sink.domain.suspend()
    wait_until(lambda: bool(later), "the witness heard it", seconds=30)
    assert sink.heard == []
    witness.end()


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (
            "_lifecycle",
            (
                libvirt.VIR_DOMAIN_EVENT_STOPPED,
                libvirt.VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT,
            ),
            ("lifecycle", "stopped", "from-snapshot", {}),
        ),
        ("_lifecycle", (77, 99), ("lifecycle", "unknown-77", "unknown-99", {})),
        ("_reboot", (), ("reboot", "", "", {})),
        (
            "_watchdog",
            (libvirt.VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF,),
            ("watchdog", "poweroff", "", {}),
        ),
        (
            "_io_error",
            ("/disk", "virtio-disk0", libvirt.VIR_DOMAIN_EVENT_IO_ERROR_PAUSE, "enospc"),
            ("io-error", "pause", "enospc", {"path": "/disk", "alias": "virtio-disk0"}),
        ),
        (
            "_io_error",
            (None, None, libvirt.VIR_DOMAIN_EVENT_IO_ERROR_REPORT, None),
            ("io-error", "report", "", {"path": "", "alias": ""}),
        ),
        ("_control_error", (), ("control-error", "", "", {})),
        ("_removal_failed", ("net0",), ("device-removal-failed", "", "", {"alias": "net0"})),
        (
            "_agent",
            (
                libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED,
                libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL,
            ),
            ("agent", "disconnected", "channel", {}),
        ),
        (
            "_metadata",
            (libvirt.VIR_DOMAIN_METADATA_TITLE, None),
            ("metadata", "title", "", {}),
        ),
        (
            "_memory_failure",
            (
                libvirt.VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_GUEST,
                libvirt.VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_INJECT,
                1,
            ),
            ("memory-failure", "inject", "guest", {"flags": 1}),
        ),
    ],
)
def test_each_event_has_its_words(sink, name, arguments, expected):
    """libvirt's numbers become its own names; a number without a name stays visible."""
    getattr(sink.subscription, name)(sink.connection, sink.domain, *arguments, None)
    (heard,) = sink.heard
    assert (heard.kind, heard.what, heard.detail, dict(heard.facts)) == expected


def test_what_an_event_names_is_bounded(sink):
    """Long texts and many keys are cut; nothing is dropped silently by an error."""
    facts = {f"key{number}": "x" * 5000 for number in range(500)}
    sink.subscription._tunable(sink.connection, sink.domain, facts, None)
    (heard,) = sink.heard
    assert len(heard.facts) == 64
    assert {len(value) for value in heard.facts.values()} == {1024}
