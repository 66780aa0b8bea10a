"""What every plug-in of the entry-point table makes of whatever it is given."""

import copy
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.plugins import HOSTILE, UUID, collect, plugins, whole
from trustd.model import Finding, GuestEvent, GuestId
from trustd.spi import Collector, Listener, Probe

pytestmark = pytest.mark.slow

FIELDS = st.one_of(
    st.sampled_from(sorted(whole(0, disks=3, nics=2))),
    st.from_regex(r"(net|block|vcpu|balloon|cpu)\.[0-9]{0,5}\.?[a-z.]{0,12}", fullmatch=True),
)
VALUES = st.one_of(
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.integers(min_value=0, max_value=5),
)
REPLIES = st.builds(
    lambda kept, changed, tick: {**(whole(tick) if kept else {}), **changed},
    st.booleans(),
    st.dictionaries(FIELDS, VALUES, max_size=8),
    st.integers(min_value=0, max_value=3),
)
PAIRS = st.lists(
    st.tuples(REPLIES, REPLIES, st.one_of(st.floats(), st.floats(0.5, 60.0))), max_size=4
)


@pytest.mark.parametrize("name", [name for name, _ in plugins(Collector)])
@settings(max_examples=60, deadline=None)
@given(pairs=PAIRS)
def test_any_replies_give_sound_columns(
    name: str, pairs: list[tuple[dict[str, object], dict[str, object], float]]
) -> None:
    """Whatever two replies say, the columns are whole, and NaN exactly where there is a gap."""
    make = dict(plugins(Collector))[name]
    collect(
        make,  # type: ignore[arg-type]
        [before for before, _, _ in pairs],
        [after for _, after, _ in pairs],
        [seconds for _, _, seconds in pairs],
    )


WORDS = st.one_of(
    st.sampled_from(
        (
            "lifecycle",
            "reboot",
            "watchdog",
            "io-error",
            "device-added",
            "device-removed",
            "device-removal-failed",
            "tunable",
            "metadata",
            "agent",
            "memory-failure",
            "control-error",
            "started",
            "stopped",
            "resumed",
            "suspended",
            "defined",
            "undefined",
            "crashed",
            "booted",
            "from-snapshot",
            "renamed",
            "restored",
            "panicked",
            "failed",
            "pause",
            "reset",
            "none",
            "unknown-99",
        )
    ),
    st.sampled_from(HOSTILE),
    st.text(max_size=12),
)
EVENTS = st.lists(
    st.builds(
        GuestEvent,
        guest=st.sampled_from([UUID, GuestId("another")]),
        name=WORDS,
        kind=WORDS,
        at=st.floats(0, 2e9),
        what=WORDS,
        detail=WORDS,
        facts=st.dictionaries(
            st.sampled_from(["alias", "path", "flags", "{x}"]), st.one_of(WORDS, st.integers())
        ),
    ),
    max_size=12,
)


def check(findings: Sequence[Finding], plugin: Listener | Probe) -> None:
    for finding in findings:
        assert finding.kind in plugin.kinds
        assert finding.source == plugin.name
        assert finding.family
        assert finding.summary
        assert finding.holds > 0


@pytest.mark.parametrize("name", [name for name, _ in plugins(Listener)])
@settings(max_examples=60, deadline=None)
@given(events=EVENTS)
def test_any_events_give_declared_findings(name: str, events: list[GuestEvent]) -> None:
    """Whatever happens, findings are of declared kinds, and the same events say the same."""
    listener = dict(plugins(Listener))[name]()
    assert isinstance(listener, Listener)
    kept = copy.deepcopy(events)
    findings = listener.notice(events, {})
    check(findings, listener)
    assert events == kept
    fresh = dict(plugins(Listener))[name]()
    assert isinstance(fresh, Listener)
    assert list(fresh.notice(events, {})) == list(findings)
    keys = [(finding.guest, finding.kind, finding.key) for finding in findings]
    assert len(set(keys)) == len(keys)
