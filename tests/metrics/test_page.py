"""The page that Prometheus scrapes."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from math import nan

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.api.fleets import BANDS, FEATURES, assessed, fleet, guest_id, narrowed
from trustd.daemon.interpreter import MAPPED
from trustd.errors import CollectError
from trustd.metrics import Exposition, Meters
from trustd.metrics.blocks import BLOCK
from trustd.metrics.guests import GuestSeries
from trustd.model import FeatureSpec, Fleet, Freshness, Gap, GapReason, GuestId, Unit

GOOD, BAD = guest_id(1), guest_id(2)


def page(shown: Fleet) -> str:
    meters = Meters("1.2.3")
    meters.observe(shown)
    return Exposition(FEATURES).render(shown, meters).plain.decode()


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every series by name and labels, through the reference parser."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} appears twice"
            found[key] = sample.value
    return found


def of(
    name: str, found: Mapping[tuple[str, frozenset[tuple[str, str]]], float]
) -> list[tuple[frozenset[tuple[str, str]], float]]:
    """The series of one metric: labels and value."""
    return [(labels, value) for (each, labels), value in found.items() if each == name]


def series(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_promtool_finds_nothing_to_complain_of() -> None:
    """Prometheus' own linter accepts the page, names, units and help included."""
    text = page(fleet(assessed(), narrowed()))
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_guest_is_shown_with_its_trust_and_what_it_is_made_of() -> None:
    """Trust, uncertainty, band, state, restriction, findings and features, by UUID."""
    found = read(page(fleet(assessed(), narrowed())))
    assert found[series("trustd_guest_trust_ratio", uuid=GOOD)] == 0.91
    assert found[series("trustd_guest_uncertainty_ratio", uuid=BAD)] == 0.05
    assert found[series("trustd_guest_restricted", uuid=BAD, mode="enforce")] == 1
    assert found[series("trustd_guest_restricted", uuid=BAD, mode="observe")] == 0
    assert found[series("trustd_guest_restricted", uuid=GOOD, mode="enforce")] == 0
    assert found[series("trustd_guest_findings", uuid=BAD, severity="major")] == 1
    assert found[series("trustd_guest_lost_permissions", uuid=BAD)] == 1
    assert found[series("trustd_guest_cpu_usage_ratio", uuid=GOOD)] == 0.125
    assert found[series("trustd_guest_net_tx_bytes_per_second", uuid=GOOD)] == 4096
    assert found[series("trustd_guest_info", uuid=BAD, guest="bad-1", roles="web")] == 1


def test_exactly_one_band_holds_for_a_guest_and_every_band_is_there() -> None:
    """A change of band ends no series: each band is 0 or 1 all the time."""
    found = read(page(fleet(assessed(), narrowed())))
    bands = {band: found[series("trustd_guest_band", uuid=BAD, band=band)] for band in BANDS}
    assert bands == {"trusted": 0, "guarded": 0, "restricted": 1, "isolated": 0}


def test_what_is_not_known_has_no_series() -> None:
    """A gap, NaN, an unmeasured feature and the age of a guest never sampled are absent."""
    unknown = assessed(
        trust=nan,
        age=nan,
        freshness=Freshness.PARTIAL,
        samples={"cpu.usage": Gap(GapReason.UNRESPONSIVE), "net.rx.bytes": nan},
    )
    found = read(page(fleet(unknown)))
    names = {name for name, labels in found if ("uuid", GOOD) in labels}
    assert "trustd_guest_uncertainty_ratio" in names
    assert found[series("trustd_guest_freshness", uuid=GOOD, freshness="partial")] == 1
    assert not names & {
        "trustd_guest_trust_ratio",
        "trustd_guest_sample_age_seconds",
        "trustd_guest_cpu_usage_ratio",
        "trustd_guest_net_rx_bytes_per_second",
        "trustd_guest_net_tx_bytes_per_second",
    }
    assert found[series("trustd_sample_gaps", reason="unresponsive")] == 1


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    """What the scoring computed with numpy reads like any other number."""
    scored = assessed(trust=np.float64(0.25), samples={"cpu.usage": np.float64(50.0)})
    found = read(page(fleet(scored)))
    assert found[series("trustd_guest_trust_ratio", uuid=GOOD)] == 0.25
    assert found[series("trustd_guest_cpu_usage_ratio", uuid=GOOD)] == 0.5


@example(name='\\n\\"\\', role="\\")
@given(name=st.text(min_size=1, max_size=400), role=st.text(max_size=40))
def test_no_name_breaks_the_page(name: str, role: str) -> None:
    """Whatever a guest is called, the page holds the same series and no raw control character."""
    text = page(fleet(assessed(name, roles=(role,)), narrowed()))
    found = read(text)
    assert found[series("trustd_guest_trust_ratio", uuid=BAD)] == 0.27
    infos = [dict(labels) for metric, labels in found if metric == "trustd_guest_info"]
    (info,) = (info for info in infos if info["uuid"] == GOOD)
    assert len(info["guest"]) <= 128 * len("\\U0010ffff")
    assert all(char.isprintable() for char in text.replace("\n", ""))
    if name.isprintable() and len(name) <= 128:
        assert info["guest"] == name


def test_both_forms_say_the_same() -> None:
    """The compressed page is the plain one."""
    meters = Meters("1.2.3")
    made = Exposition(FEATURES).render(fleet(assessed()), meters)
    assert gzip.decompress(made.compressed) == made.plain


def test_guests_beyond_a_block_are_shown_with_their_own_numbers() -> None:
    """However many guests there are, each has its own series, the unknown ones none."""
    count = 2 * BLOCK + 2
    guests = [assessed(f"web-{each}", each, trust=each / count) for each in range(count)]
    odd = guests[BLOCK + 1] = replace(guests[BLOCK + 1], freshness=Freshness.STALE)
    unknown = guests[BLOCK - 1] = replace(guests[BLOCK - 1], trust=nan)
    found = read(page(fleet(*guests)))
    trust = {dict(labels)["uuid"]: value for labels, value in of("trustd_guest_trust_ratio", found)}
    assert trust == pytest.approx({each.id: each.trust for each in guests if each is not unknown})
    fresh = {
        dict(labels)["uuid"]
        for labels, value in of("trustd_guest_freshness", found)
        if value and ("freshness", "fresh") in labels
    }
    assert fresh == {each.id for each in guests if each is not odd}


def test_no_piece_of_a_large_page_is_a_mapping_of_its_own() -> None:
    """What is written at once is below the size from which memory is mapped for it alone."""
    guests = [narrowed(f"web-{each}", each) for each in range(2 * BLOCK)]
    longest = max(map(len, GuestSeries(FEATURES).chunks(fleet(*guests))))
    assert longest < MAPPED


def test_a_guest_that_left_is_forgotten() -> None:
    """The next page has nothing of a guest that is gone, and a renamed one has its new name."""
    exposition, meters = Exposition(FEATURES), Meters("1.2.3")
    exposition.render(fleet(assessed(), narrowed()), meters)
    later = fleet(assessed("renamed"))
    found = read(exposition.render(later, meters).plain.decode())
    uuids = {uuid for _, labels in found if (uuid := dict(labels).get("uuid"))}
    assert uuids == {GOOD}
    assert series("trustd_guest_info", uuid=GOOD, guest="renamed", roles="web") in found


def test_what_a_band_takes_is_told_anew_when_permissions_are_others() -> None:
    """A guest that gets back what it lost loses nothing on the next page, under the same name."""
    exposition, meters = Exposition(FEATURES), Meters("1.2.3")
    lost = series("trustd_guest_lost_permissions", uuid=BAD)
    fallen = narrowed()
    assert read(exposition.render(fleet(fallen), meters).plain.decode())[lost] > 0
    risen = replace(fallen, permissions=replace(fallen.permissions, access=()))
    assert read(exposition.render(fleet(risen), meters).plain.decode())[lost] == 0


def test_an_identity_with_a_percent_sign_is_only_text() -> None:
    """Numbers are put between labels, and never into one."""
    plain = assessed()
    odd = GuestId("100%.9g%%")
    found = read(page(fleet(replace(plain, guest=replace(plain.guest, id=odd)), narrowed())))
    assert found[series("trustd_guest_trust_ratio", uuid=odd)] == 0.91
    assert found[series("trustd_guest_trust_ratio", uuid=BAD)] == 0.27


@pytest.mark.parametrize("name", ["net.tx-bytes", "trust_ratio"])
def test_two_features_never_share_a_metric(name: str) -> None:
    """A feature whose metric is taken, by another or by trustd itself, is refused by name."""
    unit = Unit.PERCENT if name == "trust_ratio" else Unit.BYTES_PER_SECOND
    specs = [
        FeatureSpec("net.tx.bytes", Unit.BYTES_PER_SECOND, "network"),
        FeatureSpec(name.removesuffix("_ratio"), unit, "network"),
    ]
    with pytest.raises(CollectError, match="rename the feature"):
        Exposition(specs)


def test_an_empty_fleet_has_a_valid_page() -> None:
    """A host without guests is no error."""
    found = read(page(replace(fleet(), host=None)))
    assert found[series("trustd_guests")] == 0
    assert not [key for key in found if key[0] == "trustd_host_pressure_ratio"]
