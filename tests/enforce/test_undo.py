"""Prior states: what comes back is what was there, as far as nobody else changed it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from trustd.enforce.undo import reclaimed, renewed
from trustd.model import GuestId, Intent, Setting

states = st.dictionaries(st.sampled_from(["a.x", "a.y", "b.x"]), st.integers(1, 3))


def facet(key: str) -> str:
    return key[0]


def intent(prior: Setting, *ours: Setting) -> Intent:
    return Intent(GuestId("g"), "lever", "device", "boot/1", prior, ours, 0.0)


def part(state: Setting, name: str) -> Setting:
    return {key: value for key, value in state.items() if facet(key) == name}


@given(states, states, states)
def test_what_is_ours_gives_way_to_the_prior_state(
    prior: Setting, first: Setting, last: Setting
) -> None:
    """Whichever of our states is in force, the prior state is what was there."""
    kept = intent(prior, first, last)
    assert reclaimed(kept, first, facet) == prior
    assert reclaimed(kept, last, facet) == prior


@given(states, states, states)
def test_each_part_is_either_the_prior_one_or_somebody_elses(
    prior: Setting, ours: Setting, present: Setting
) -> None:
    """A part that nobody touched comes back; one that somebody changed stays as changed."""
    result = reclaimed(intent(prior, ours), present, facet)
    for name in ("a", "b"):
        mine = part(present, name) == part(ours, name)
        assert part(result, name) == part(prior if mine else present, name)


@given(states, states)
def test_a_new_run_keeps_what_its_definition_says(prior: Setting, ours: Setting) -> None:
    """What looks like ours and stands in the guest's definition is the guest's."""
    assert reclaimed(intent(prior, ours), ours, facet, configured=ours) == ours


def test_states_that_may_be_in_force_are_kept_until_one_is_seen() -> None:
    """A call that was given up may have left the state before last."""
    kept = intent({}, {"a.x": 1})
    seen = renewed(kept, "boot/1", {}, {"a.x": 1}, {"a.x": 2})
    assert seen.ours == ({"a.x": 1}, {"a.x": 2})
    unseen = renewed(replace(seen), "boot/1", {}, {"a.x": 1}, {"a.x": 3})
    assert unseen.ours == ({"a.x": 1}, {"a.x": 2}, {"a.x": 3})
    settled = renewed(unseen, "boot/2", {}, {"a.x": 3}, {"a.x": 4})
    assert settled.ours == ({"a.x": 3}, {"a.x": 4})
    assert settled.run == "boot/2"
