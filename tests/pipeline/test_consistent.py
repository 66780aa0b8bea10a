"""Whatever happens, every tick's assessments agree with themselves."""

from __future__ import annotations

import tempfile
from math import isnan
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pipeline.scripted import TOO_MUCH, Rig, guest_id, web
from trustd.model import Freshness, Gap, GuestEvent, GuestState

NUMBERS = range(4)
some_guests = st.sets(st.sampled_from([guest_id(number) for number in NUMBERS]))
states = st.sampled_from(
    [GuestState.RUNNING, GuestState.PAUSED, GuestState.SHUTOFF, GuestState.CRASHED]
)
happenings = st.lists(
    st.fixed_dictionaries(
        {
            "defined": some_guests,
            "states": st.lists(states, min_size=4, max_size=4),
            "writing": some_guests,
            "partial": some_guests,
            "missing": some_guests,
            "error": st.sampled_from(["", "", "", "connection refused"]),
            "seconds": st.sampled_from([0.0, 0.5, 2.0, 2.0, 2.0, 30.0, 700.0]),
            "step": st.sampled_from([0.0, 0.0, 0.0, -86400.0, 7200.0]),
            "event": st.sampled_from(["", "", "crashed", "stopped", "started", "defined"]),
            "detail": st.sampled_from(["", "from-snapshot", "panicked"]),
            "end": st.sampled_from(["", "", "", "stop", "kill"]),
        }
    ),
    max_size=12,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(happenings)
def test_every_assessment_agrees_with_itself(story):
    """Trust and the opinion are in their bounds, the band is the policy's and the permissions' own,
    gaps are gaps and numbers numbers, and there is exactly one assessment a defined guest."""
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(Path(directory), [web(0)])
        try:
            for happening in story:
                happen(rig, happening)
                agree(rig)
        finally:
            rig.stop()


def happen(rig, what):
    hypervisor = rig.hypervisor
    hypervisor.guests = {}
    hypervisor.change(
        *(web(n, state=what["states"][n]) for n in NUMBERS if guest_id(n) in what["defined"])
    )
    hypervisor.writes = dict.fromkeys(what["writing"], TOO_MUCH)
    hypervisor.partial, hypervisor.missing = what["partial"], what["missing"]
    hypervisor.error = what["error"]
    if what["event"]:
        hypervisor.news.append(
            GuestEvent(
                guest_id(0), "web-0", "lifecycle", hypervisor.at, what["event"], what["detail"]
            )
        )
    if what["end"]:
        getattr(rig, what["end"])()
        rig.start()
    rig.tick(seconds=what["seconds"], step=what["step"])


def agree(rig):
    fleet = rig.fleet
    assert fleet.guests.keys() == rig.hypervisor.guests.keys()
    assert all(health.error == "" for health in fleet.plugins.values())
    assert fleet.store_error == ""
    for id_, each in fleet.guests.items():
        opinion = each.opinion
        assert each.id == id_
        assert 0.0 <= each.trust <= 1.0
        assert min(opinion.belief, opinion.disbelief, opinion.uncertainty) >= 0.0
        assert abs(opinion.belief + opinion.disbelief + opinion.uncertainty - 1.0) < 1e-9
        assert each.band in fleet.bands
        assert each.band == each.permissions.band
        assert each.policy == fleet.policy.id
        assert isnan(each.age) or each.age >= 0.0
        if each.freshness is Freshness.FRESH:
            assert each.age == 0.0
        for access in each.permissions.access:
            assert not access.held & access.lost
        for name in each.samples:
            value = each.samples[name]
            assert isinstance(value, Gap) or not isnan(value)
        if each.freshness in (Freshness.STALE, Freshness.IDLE):
            assert all(isinstance(each.samples[name], Gap) for name in each.samples)
