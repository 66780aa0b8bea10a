"""From permissions to desired states: pure, deterministic, and the tightest reason wins."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustd.enforce import plan
from trustd.enforce.remedies import REMEDIES
from trustd.model import (
    Access,
    Action,
    Disk,
    EffectivePermissions,
    Guest,
    GuestId,
    HostDevice,
    Nic,
    ObjectRef,
)

GUEST = Guest(
    GuestId("d5a3c7a0-0000-4000-8000-000000000001"),
    "web",
    disks=(
        Disk("vda", "/pool/system"),
        Disk("vdb", "/pool/data"),
        Disk("sda", "/pool/tools.iso", kind="cdrom", readonly=True),
        Disk("sdb", "", kind="cdrom"),
    ),
    nics=(Nic("52:54:00:00:00:01", "front"), Nic("52:54:00:00:00:02", "back")),
    host_devices=(HostDevice("pci:0000:03:00.0"),),
)
OBJECTS = (
    *(ObjectRef("volume", each.identity) for each in GUEST.disks if each.identity),
    *(ObjectRef("network", each.network) for each in GUEST.nics),
    ObjectRef("device", "pci:0000:03:00.0"),
)
WORDS = ("read", "write", "flush", "list", "attach", "connect", "send", "receive")


def permissions(**lost: str) -> EffectivePermissions:
    access = tuple(
        Access(each, frozenset(), frozenset(lost.get(each.id.rpartition("/")[2], "").split()))
        for each in OBJECTS
    )
    return EffectivePermissions("restricted", ("web",), access)


def places(actions: tuple[Action, ...]) -> list[tuple[str, str]]:
    return [(each.lever, each.device) for each in actions]


def test_a_lost_write_is_throttled_on_that_volume_alone_and_called_weaker() -> None:
    """The floor is set on the disk whose write is lost, and says what would be exact."""
    (only,) = plan(GUEST, permissions(data="write"))
    assert (only.lever, only.device) == ("disk-throttle", "vdb")
    assert only.setting == {"write_bytes_sec": 4096, "write_iops_sec": 1}
    assert "restricted: write on volume /pool/data is lost" in only.because
    assert only.weaker.startswith("disk-gate")


def test_nothing_lost_asks_for_nothing() -> None:
    """A guest with all its permissions is left alone."""
    assert plan(GUEST, permissions()) == ()


def test_a_read_only_disk_has_no_write_to_lose() -> None:
    """Losing ``write`` on a medium that is read-only anyway changes nothing."""
    assert plan(GUEST, permissions(**{"tools.iso": "write"})) == ()


@pytest.mark.parametrize(
    ("lost", "exact"), [("connect", True), ("send", False), ("receive", False), ("attach", False)]
)
def test_a_lost_network_takes_the_link_of_its_interfaces_down(lost: str, *, exact: bool) -> None:
    """Only interfaces on that network; what ends besides is said."""
    (only,) = plan(GUEST, permissions(back=lost))
    assert (only.lever, only.device) == ("nic-link", "52:54:00:00:00:02")
    assert only.setting == {"link": "down"}
    assert (only.weaker == "") is exact


def test_what_no_lever_can_do_is_asked_for_all_the_same() -> None:
    """A host device cannot be taken yet: the action exists, to come back refused."""
    lost = permissions(**{"pci:0000:03:00.0": "attach"})
    assert places(plan(GUEST, lost)) == [("unplug", "pci:0000:03:00.0")]
    assert places(plan(GUEST, permissions(), [{"do": "pause"}])) == [("pause", "")]


def test_several_reasons_for_one_device_are_one_action_with_the_tightest_of_each() -> None:
    """A policy's own throttle and a lost write meet on one disk."""
    throttle = {"do": "throttle", "disk_write_iops": 50.0, "disk_read_bytes": 1e6}
    actions = plan(GUEST, permissions(system="write"), [throttle])
    assert places(actions) == [
        ("disk-throttle", "sda"),
        ("disk-throttle", "vda"),
        ("disk-throttle", "vdb"),
    ]
    assert actions[1].setting == {
        "write_bytes_sec": 4096,
        "write_iops_sec": 1,
        "read_bytes_sec": 1_000_000,
    }
    assert actions[1].because == (
        "restricted: write on volume /pool/system is lost; restricted: enforce throttle"
    )
    assert actions[2].setting == {"write_iops_sec": 50, "read_bytes_sec": 1_000_000}


def test_measures_reach_every_device_of_their_kind() -> None:
    """``nic-link`` is for every interface, ``cpu-quota`` for the guest."""
    measures = [{"do": "nic-link", "state": "down"}, {"do": "cpu-quota", "percent": 20.0}]
    assert places(plan(GUEST, permissions(), measures)) == [
        ("cpu-quota", ""),
        ("nic-link", "52:54:00:00:00:01"),
        ("nic-link", "52:54:00:00:00:02"),
    ]


lost_words = st.frozensets(st.sampled_from(WORDS))
accesses = st.tuples(
    *(st.builds(Access, st.just(each), st.just(frozenset()), lost_words) for each in OBJECTS)
)
rates = st.integers(1, 10**9).map(float)
measures = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"do": st.just("throttle")},
            optional={"disk_iops": rates, "disk_write_bytes": rates, "disk_read_iops": rates},
        ),
        st.fixed_dictionaries({"do": st.just("cpu-quota"), "percent": st.floats(1, 100)}),
        st.just({"do": "nic-link", "state": "down"}),
    ),
    max_size=5,
)


@given(accesses, measures, st.randoms())
def test_the_order_of_reasons_does_not_matter(access, measures, random) -> None:
    """The same permissions and measures in any order ask for the same states."""
    shuffled, mixed = list(access), list(measures)
    random.shuffle(shuffled)
    random.shuffle(mixed)
    one = plan(GUEST, EffectivePermissions("b", (), access), measures)
    other = plan(GUEST, EffectivePermissions("b", (), tuple(shuffled)), mixed)
    assert [(each.device, each.setting) for each in one] == [
        (each.device, each.setting) for each in other
    ]
    assert places(one) == places(other) == sorted(set(places(one)))


@given(accesses, measures, measures)
def test_more_reasons_never_ask_for_less(access, few, more) -> None:
    """Adding a measure or a loss only adds actions or lowers limits."""
    permitted = EffectivePermissions("b", (), access)
    before = {(each.lever, each.device): each for each in plan(GUEST, permitted, few)}
    after = {(each.lever, each.device): each for each in plan(GUEST, permitted, few + more)}
    for place, action in before.items():
        for key, value in action.setting.items():
            now = after[place].setting[key]
            assert now <= value if isinstance(value, int) else now == value


@given(accesses)
def test_every_lost_permission_of_a_device_is_answered(access) -> None:
    """No loss that has a remedy goes without its action, and no object without a loss gets one."""
    actions = plan(GUEST, EffectivePermissions("b", (), access))
    told = " ".join(each.because for each in actions)
    for each in access:
        known = {word for word in each.lost if (each.object.type, word) in REMEDIES}
        if each.object.id == "/pool/tools.iso":
            known -= {"write"}
        for word in known:
            assert f"{word} on {each.object.type} {each.object.id} is lost" in told
        if not known:
            assert f"{each.object.id} is lost" not in told


def test_a_guest_without_the_device_is_not_asked_for_it() -> None:
    """Permissions on objects that are not attached (any more) ask for nothing."""
    bare = replace(GUEST, disks=(), nics=(), host_devices=())
    assert plan(bare, permissions(system="write", back="send")) == ()
