"""Behaviour by roles, measures by band, limits, the schema, and speed."""

import time
from math import inf

import pytest

from trustd.model import Envelope, FamilyWeight, Mode, ObjectRef, Severity
from trustd.policy.jsonschema import json_schema

BEHAVIOUR = """
behaviour:
  default:
    warmup: 24h
    probation: guarded
    half_life: {good: 36h, bad: 7d}
    rise: 0.05/h
    families: {counters: {cap: 100, reliability: 0.9}}
    findings: {io-error: minor}
    ceilings: {critical: 0.15, major: 0.5}
    expect: {net.drops: {max: 10/s}}
  web:
    rise: 0.02/h
    half_life: {good: 12h}
    families: {counters: {cap: 50}, lifecycle: {cap: 60}}
    findings: {io-error: major}
    expect: {net.tx.packets: {max: 50k/s, for: 1m, severity: minor}, net.drops: {max: 20/s}}
    ignore: [cpu.usage, cpu.steal]
  db:
    warmup: 48h
    probation: restricted
    ceilings: {critical: 0.05, major: 0.6}
    expect: {cpu.usage: {min: 1%}}
    ignore: [cpu.usage]
"""


def test_a_role_speaks_over_the_default_and_only_where_it_speaks(policy_of):
    """What a role leaves out is the default's; envelopes and tables are merged by name."""
    policy = policy_of(BEHAVIOUR)
    default = policy.newcomer_of(())
    assert default.probation == "guarded"
    assert default.behaviour.rise == pytest.approx(0.05)
    assert default.behaviour.expect == (Envelope("net.drops", most=10.0),)
    web = policy.newcomer_of(("web",))
    assert web.probation == "guarded"
    one = web.behaviour
    assert (one.warmup, one.good_half_life, one.bad_half_life) == (86400, 43200, 604800)
    assert one.rise == pytest.approx(0.02)
    assert one.families == {"counters": FamilyWeight(50, 1.0), "lifecycle": FamilyWeight(60, 1.0)}
    assert one.findings == {"io-error": Severity.MAJOR}
    assert one.ceilings == {Severity.CRITICAL: 0.15, Severity.MAJOR: 0.5}
    assert one.expect == (
        Envelope("net.drops", most=20.0),
        Envelope("net.tx.packets", 50_000.0, -inf, 60.0, Severity.MINOR),
    )
    assert one.ignore == {"cpu.usage", "cpu.steal"}


def test_of_several_roles_the_strictest_word_holds(policy_of):
    """In whatever order they are named; a role without an entry says nothing."""
    policy = policy_of(BEHAVIOUR)
    both = policy.newcomer_of(("web", "db"))
    assert both == policy.newcomer_of(("db", "web", "clerk"))
    assert both.probation == "restricted"
    one = both.behaviour
    assert (one.warmup, one.good_half_life) == (172800, 43200)
    assert one.rise == pytest.approx(0.02)
    assert one.ceilings == {Severity.CRITICAL: 0.05, Severity.MAJOR: 0.5}
    assert one.families["counters"] == FamilyWeight(50, 0.9)
    assert one.findings == {"io-error": Severity.MAJOR}
    assert one.ignore == {"cpu.usage"}
    assert [(e.feature, e.most, e.least) for e in one.expect] == [
        ("cpu.usage", inf, 1.0),
        ("net.drops", 10.0, -inf),
        ("net.drops", 20.0, -inf),
        ("net.tx.packets", 50_000.0, -inf),
    ]


def test_without_a_word_about_newcomers_there_is_no_probation(policy_of):
    """A policy without behaviour leaves the model's defaults, and the last band."""
    policy = policy_of()
    assert policy.newcomer_of(("web",)).probation is None
    assert policy.newcomer_of(()).behaviour.ceilings[Severity.CRITICAL] == pytest.approx(0.15)


ENFORCE = """
enforce:
  guarded: [{do: alert, severity: minor}]
  restricted:
    - {do: throttle, disk_iops: 200, disk_bytes: 4MiB/s}
    - {do: capture}
    - {do: unplug, type: device}
  isolated:
    - {do: throttle, disk_iops: 500, disk_read_iops: 100}
    - {do: unplug, type: network}
    - {do: pause}
"""


def test_measures_add_up_down_the_bands(policy_of):
    """What stands in a better band stands in a worse one; the tighter number holds."""
    policy = policy_of(ENFORCE)
    assert policy.enforcement("trusted", ()) == ()
    assert [m.do for m in policy.enforcement("guarded", ())] == ["alert"]
    assert [m.do for m in policy.enforcement("restricted", ())] == [
        "throttle",
        "capture",
        "unplug",
    ]
    worst = policy.enforcement("isolated", ())
    assert [m.do for m in worst] == ["throttle", "unplug", "unplug", "pause"]
    assert (worst[0].disk_iops, worst[0].disk_bytes, worst[0].disk_read_iops) == (
        200.0,
        4 * 2**20,
        100.0,
    )
    assert {m.type for m in worst[1:3]} == {"device", "network"}


def test_what_happens_once_happens_on_the_edge_only(policy_of):
    """An alert of a better band is not repeated in a worse one."""
    policy = policy_of(ENFORCE)
    once = {band: [m.do for m in policy.enforcement(band, ()) if m.once] for band in policy.bands}
    assert once == {
        "trusted": [],
        "guarded": ["alert"],
        "restricted": ["capture"],
        "isolated": [],
    }


def test_a_role_adds_measures_of_its_own(policy_of):
    """Only guests of the role get them, tightened with those of all."""
    policy = policy_of(
        ENFORCE,
        {"  db:\n    permits": "  db:\n    enforce: {restricted: [{do: throttle, disk_iops: 50}, "
         "{do: cpu-quota, percent: 20%}]}\n    permits"},
    )  # fmt: skip
    assert len(policy.enforcement("restricted", ("web",))) == 3
    for_db = {m.do: m for m in policy.enforcement("isolated", ("db",))}
    assert for_db["throttle"].disk_iops == 50
    assert for_db["cpu-quota"].percent == 20


def test_limits_have_defaults_and_can_be_set(policy_of):
    """The blast radius is bounded even where the policy is silent."""
    assert policy_of().limits.demotions.max == 3
    policy = policy_of("limits: {demotions: {max: 7, percent: 50, per: 1h}}\n")
    assert (policy.limits.demotions.max, policy.limits.demotions.per) == (7, 3600.0)


def test_registered_objects_have_the_labels_of_the_policy(policy_of):
    """Labels given in the policy are used where the caller has none of its own."""
    policy = policy_of("registry: {objects: [{type: tape, id: t1, labels: {app: web}},\n"
                       "  {type: volume, id: /v, labels: {app: web}}]}\n")  # fmt: skip
    volume = ObjectRef("volume", "/v")
    assert policy.target(volume).sets == policy.target(volume, {"app": "web"}).sets != 0
    assert policy.target(ObjectRef("volume", "/other")).sets == 0
    assert policy.target(volume, {}).sets == 0
    assert policy.target(ObjectRef("tape", "t1")).sets == 0
    assert policy.target(ObjectRef("disc", "d")) is None


def test_the_schema_knows_every_key_and_describes_short_forms():
    """Completion offers all keys, and quantities may be written with units."""
    schema = json_schema()
    assert set(schema["properties"]) >= {"apiVersion", "roles", "trust", "walls", "behaviour"}
    assert schema["required"] == ["apiVersion", "name", "trust"]
    dwell = schema["$defs"]["Dwell"]["properties"]["up"]
    assert {"string", "number"} == {one["type"] for one in dwell["anyOf"]}
    assert schema["additionalProperties"] is False


def test_a_thousand_guests_step_in_a_few_milliseconds(policy_of):
    """One tick of all relays is cheap, also while all are rising."""
    policy = policy_of()
    standings = [policy.relays.start("guarded", at=0) for _ in range(1000)]
    took = []
    for tick in range(5):
        began = time.thread_time()
        standings = [
            policy.relays.step(s, 0.85, at=tick, clock=tick, stale_for=1) for s in standings
        ]
        took.append(time.thread_time() - began)
    assert min(took) < 0.01
    assert policy.mode is Mode.OBSERVE


def test_measures_of_one_kind_that_differ_in_place_stay_apart(policy_of):
    """Two commands both run, two severities both alert; captures ask for what either asks."""
    policy = policy_of(
        """
enforce:
  isolated:
    - {do: hook, name: one}
    - {do: hook, name: two}
    - {do: alert, severity: minor}
    - {do: alert, severity: critical}
    - {do: capture, memory: true}
""",
        {"  db:\n    permits": "  db:\n    enforce: {isolated: [{do: capture, memory: false, "
         "disks: true}]}\n    permits"},
    )  # fmt: skip
    found = policy.enforcement("isolated", ("db",))
    assert [m.do for m in found] == ["hook", "hook", "alert", "alert", "capture"]
    assert (found[-1].memory, found[-1].disks) == (True, True)
