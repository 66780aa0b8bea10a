"""The arithmetic of the levers: never looser than what was there, nor than what is wanted."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from trustd.enforce.actuators import CpuQuota, DiskThrottle, NicLink
from trustd.model import Setting

LIMITS = [f"{a}_{u}_sec" for u, a in product(("bytes", "iops"), ("total", "read", "write"))]
numbers = st.integers(1, 10**6)


@st.composite
def disk_states(draw: st.DrawFn) -> Setting:
    """A state that libvirt accepts: a total or its parts, with bursts and perhaps a group."""
    state: dict[str, int | str | bool] = {}
    for unit in ("bytes", "iops"):
        among = draw(st.sampled_from([(), ("total",), ("read",), ("write",), ("read", "write")]))
        for each in among:
            state[f"{each}_{unit}_sec"] = draw(numbers)
            if draw(st.booleans()):
                state[f"{each}_{unit}_sec_max"] = int(state[f"{each}_{unit}_sec"]) * 2
    if draw(st.booleans()):
        state["size_iops_sec"] = draw(numbers)
    if state and draw(st.booleans()):
        state["group_name"] = "shared"
    return state


wishes = st.dictionaries(st.sampled_from(LIMITS), numbers, min_size=1)


@given(disk_states(), wishes)
def test_a_throttle_is_never_looser_than_before_or_than_wanted(
    prior: Setting, wanted: Setting
) -> None:
    """Reading, writing and both together stay within both sets of limits."""
    lever = DiskThrottle()
    state = lever.tightened(prior, wanted, "vda")
    assert not lever.loosens(prior, state)
    assert not lever.loosens(wanted, state)


@given(disk_states(), wishes)
def test_a_throttle_is_one_that_libvirt_takes(prior: Setting, wanted: Setting) -> None:
    """A total never stands beside its parts, and no burst is above a limit that was lowered."""
    state = DiskThrottle().tightened(prior, wanted, "vda")
    for unit in ("bytes", "iops"):
        parts = {f"read_{unit}_sec", f"write_{unit}_sec"} & set(state)
        assert not (parts and f"total_{unit}_sec" in state)
        for among in ("total", "read", "write"):
            burst = state.get(f"{among}_{unit}_sec_max")
            assert burst is None or burst == prior[f"{among}_{unit}_sec_max"]
            assert burst is None or state[f"{among}_{unit}_sec"] == prior[f"{among}_{unit}_sec"]
    assert all(value != 0 for value in state.values())


@given(disk_states(), wishes)
def test_a_throttle_that_is_in_force_asks_for_no_more(prior: Setting, wanted: Setting) -> None:
    """Tightening twice is tightening once."""
    lever = DiskThrottle()
    state = lever.tightened(prior, wanted, "vda")
    assert lever.tightened(state, wanted, "vda") == state


@given(disk_states(), wishes)
def test_a_disk_leaves_its_group_when_and_only_when_it_is_narrowed(
    prior: Setting, wanted: Setting
) -> None:
    """Disks that share limits are not narrowed by one another."""
    state = DiskThrottle().tightened(prior, wanted, "vda")
    if "group_name" not in prior:
        assert "group_name" not in state
    else:
        assert (state == prior) is (state["group_name"] == "shared")


quotas = st.one_of(st.just(-1), st.integers(1000, 400_000))


@given(quotas, quotas, quotas, st.integers(1, 100))
def test_a_quota_is_never_looser_than_before(
    whole: int, vcpu: int, emulator: int, percent: int
) -> None:
    """Each kind of thread stays within its own quota, the guest's whole, and what is wanted."""
    lever = CpuQuota()
    prior = {"global_quota": whole, "vcpu_quota": vcpu, "emulator_quota": emulator}
    prior |= {f"{kind}_period": 100_000 for kind in ("global", "vcpu", "emulator")}
    state = lever.tightened(prior, {"percent": percent}, "")
    assert not lever.loosens(prior, state)
    assert 1000 <= int(state["vcpu_quota"]) <= max(percent * 1000, 1000)
    assert lever.tightened(state, {"percent": percent}, "") == state
    assert state["global_quota"] == whole


def test_the_emulator_keeps_enough_to_answer_who_measures() -> None:
    """A processor at 1 % does not make the monitor too slow to be asked."""
    prior = {"global_quota": -1, "vcpu_quota": -1, "emulator_quota": -1}
    prior |= {f"{kind}_period": 100_000 for kind in ("global", "vcpu", "emulator")}
    state = CpuQuota().tightened(prior, {"percent": 1}, "")
    assert (state["vcpu_quota"], state["emulator_quota"]) == (1000, 20_000)


def test_only_a_link_that_comes_up_is_looser() -> None:
    """Saying nothing means up."""
    lever = NicLink()
    assert lever.loosens({"link": "down"}, {"link": ""})
    assert lever.loosens({"link": "down"}, {"link": "up"})
    assert not lever.loosens({"link": ""}, {"link": "down"})
    assert not lever.loosens({"link": ""}, {"link": "up"})
