"""Which network lever answers which loss and which measure: pure."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustd.enforce import plan
from trustd.enforce.actuators import NicFilter
from trustd.model import (
    Access,
    Action,
    EffectivePermissions,
    Guest,
    GuestId,
    Nic,
    ObjectRef,
    Setting,
)

FRONT, BACK, PASSED = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
GUEST = Guest(
    GuestId("d5a3c7a0-0000-4000-8000-000000000001"),
    "web",
    nics=(Nic(FRONT, "front"), Nic(BACK, "back"), Nic(PASSED, "enp3s0", filterable=False)),
)
LEVERS = ("isolate-port", "nic-bandwidth", "nic-filter", "nic-link", "quarantine")


def planned(lost: Mapping[str, str], *measures: Mapping[str, object]) -> tuple[Action, ...]:
    access = tuple(
        Access(ObjectRef("network", network), frozenset(), frozenset(words.split()))
        for network, words in lost.items()
    )
    return plan(GUEST, EffectivePermissions("low", (), access), measures, levers=LEVERS)


def brief(actions: tuple[Action, ...]) -> list[tuple[str, str, Setting]]:
    return [(each.lever, each.device, each.setting) for each in actions]


@pytest.mark.parametrize("word", ["send", "receive"])
def test_one_lost_direction_is_dropped_exactly(word: str) -> None:
    """The filter is the exact lever, on the interfaces of that network alone."""
    (only,) = planned({"back": word})
    assert (only.lever, only.device, only.setting) == ("nic-filter", BACK, {f"deny_{word}": True})
    assert not only.weaker


def test_both_lost_directions_are_one_action() -> None:
    """Two losses of one interface meet in one filter."""
    assert brief(planned({"back": "send receive"})) == [
        ("nic-filter", BACK, {"deny_send": True, "deny_receive": True})
    ]


def test_what_no_filter_sees_loses_its_link_and_says_so() -> None:
    """An interface past the host's filters is answered by the next lever, called weaker."""
    (only,) = planned({"enp3s0": "send"})
    assert (only.lever, only.device) == ("nic-link", PASSED)
    assert only.weaker == "nic-filter (receiving ends too)"


def test_a_link_that_is_down_needs_no_filter() -> None:
    """The quicker lever does what the slower would, and gives both reasons."""
    (only,) = planned({"back": "connect send receive"})
    assert (only.lever, only.device) == ("nic-link", BACK)
    for word in ("connect", "send", "receive"):
        assert f"{word} on network back is lost" in only.because


def test_a_filter_of_the_policy_stays_beside_a_link_that_is_down() -> None:
    """What a policy asks for by name is done, whatever else is."""
    named = {"do": "nic-filter", "filter": "lan-only"}
    levers = [each.lever for each in planned({"back": "connect send"}, named)]
    assert levers == ["nic-filter", "nic-filter", "nic-filter", "nic-link"]


def test_each_measure_reaches_every_interface_in_its_levers_words() -> None:
    """Bytes a second, a filter's name, a network's name, and isolation."""
    measures: list[tuple[dict[str, object], Setting]] = [
        ({"do": "isolate-port"}, {"isolated": "yes"}),
        ({"do": "nic-bandwidth", "send": 1e6}, {"send_bytes_sec": 1_000_000}),
        ({"do": "nic-filter", "filter": "lan-only"}, {"filter": "lan-only"}),
        ({"do": "quarantine", "network": "closed"}, {"network": "closed"}),
    ]
    for measure, setting in measures:
        assert brief(planned({}, measure)) == [
            (measure["do"], mac, setting) for mac in (FRONT, BACK, PASSED)
        ]


words = st.frozensets(st.sampled_from(["connect", "send", "receive"]))


@given(st.fixed_dictionaries({"front": words, "back": words, "enp3s0": words}))
def test_whatever_is_lost_is_made_untrue_on_its_interface(lost: dict[str, frozenset[str]]) -> None:
    """By a link that is down, or by a filter that drops at least that direction."""
    actions = planned({name: " ".join(each) for name, each in lost.items()})
    for nic in GUEST.nics:
        mine = {action.lever: action.setting for action in actions if action.device == nic.mac}
        if "nic-link" in mine:
            assert mine == {"nic-link": {"link": "down"}}
        else:
            dropped = {key.removeprefix("deny_") for key in mine.get("nic-filter", {})}
            assert dropped == lost[nic.network]


names = st.sampled_from(["", "clean-traffic", "lan-only"])
asked = st.fixed_dictionaries(
    {},
    optional={
        "deny_send": st.just(True),
        "deny_receive": st.just(True),
        "filter": st.sampled_from(["lan-only", "mute"]),
    },
)


@given(names, st.booleans(), asked, asked)
def test_a_filter_is_never_looser_than_before(
    name: str, alone: bool, first: Setting, second: Setting
) -> None:
    """What dropped before still drops, whatever is asked for and in whatever order."""
    lever = NicFilter()
    prior: Setting = {"filter": name, "parameters": "", "deny": "", "chain": ""}
    if name and alone:
        prior = {**prior, "alone": True}
    one = lever.tightened(prior, first, FRONT)
    both = lever.tightened(prior, {**first, **second}, FRONT)
    assert not lever.loosens(prior, one)
    assert not lever.loosens(prior, both)
    assert set(str(one["deny"]).split()) <= set(str(both["deny"]).split())
    for word in ("send", "receive"):
        if first.get(f"deny_{word}"):
            assert word in str(one["deny"]).split()
            assert lever.loosens(one, prior)
