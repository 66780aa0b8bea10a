"""A policy's mistakes: all of them, each at its place, with what to do."""

import time

import pytest
from base_policy import BASE
from hypothesis import given, settings
from hypothesis import strategies as st

from trustd.errors import PolicyError
from trustd.policy import load_policy, load_registry

EXCEPTION = (
    "exceptions: [{id: C, subject: {id: a}, actions: [read], object: nets, "
    "floor: guarded, until: 2026-12-01T00:00:00Z, by: me, reason: r}]"
)


def problems(text, features=None):
    with pytest.raises(PolicyError) as caught:
        load_policy(text, "p.yaml", features=features)
    return caught.value.problems


def test_ten_mistakes_are_ten_problems_each_at_its_place():
    """Field, key, unit and reference errors of one file are shown together."""
    text = """\
apiVersion: trustd/v1
name: ten
mode: enforec
actions: {io: [read, write]}
subjects:
  - {select: {app: web}, rolez: [web]}
  - {select: {app: db}, roles: [database]}
objects:
  web-data: {type: volume, selekt: {app: web}}
roles:
  web:
    permits:
      - {actions: [io], object: web-dat}
      - {actionz: [io], object: web-data}
    narrow:
      garded: {keep: [io]}
trust:
  bands:
    - {name: trusted, enter: 0.8, leave: 0.9}
    - {name: guarded, enter: 0.5, leave: 0.4, cap: [raed]}
    - {name: isolated, cap: []}
  dwell: {up: 5 minutes}
enforce:
  isolated: [{do: throtle, disk_iops: 200}]
"""
    found = problems(text)
    wrong = {
        "mode": "enforec",
        "subjects[0].rolez": "rolez",
        "subjects[1].roles[0]": "database",
        "objects.web-data.selekt": "selekt",
        "roles.web.permits[0].object": "web-dat}",
        "roles.web.permits[1].actionz": "actionz",
        "roles.web.narrow.garded": "garded",
        "trust.bands[0].leave": "0.9",
        "trust.bands[1].cap[0]": "raed",
        "trust.dwell.up": "5 minutes",
        "enforce.isolated[0].do": "throtle",
    }
    assert [p.key for p in found] == list(wrong)
    for problem in found:
        assert text.splitlines()[problem.line - 1][problem.column - 1 :].startswith(
            wrong[problem.key]
        )
    hints = {p.key: p.hint for p in found}
    assert hints["mode"] == 'did you mean "enforce"?'
    assert hints["roles.web.permits[0].object"] == 'did you mean "web-data"?'
    assert hints["roles.web.narrow.garded"] == 'did you mean "guarded"?'
    assert hints["trust.bands[1].cap[0]"] == 'did you mean "read"?'
    assert hints["enforce.isolated[0].do"] == 'did you mean "throttle"?'
    assert all("^" in p.excerpt for p in found)


def test_one_mistake_is_told_once():
    """What follows from a mistake is not reported beside it, and hides nothing else."""
    text = """\
apiVersion: trustd/v2
actions: {ro: [read]}
objects:
  disks: {type: volume, select: 5}
roles:
  web:
    permits:
      - {actions: [seal], object: 7}
      - {actions: [ro], object: disks}
      - {actions: [ro], object: tapes}
protect: [{id: {}}]
trust:
  bands:
    - {name: best, enter: high, leave: 0.5}
    - {name: 9, enter: 0.4, leave: 0.3}
    - {name: worst, cap: [seal]}
enforce: {best: [{do: alert, severity: loud}], low: []}
"""
    assert [p.key for p in problems(text)] == [
        "name",
        "apiVersion",
        "objects.disks.select",
        "roles.web.permits[0].object",
        "roles.web.permits[2].object",
        "protect[0].id",
        "trust.bands[0].enter",
        "trust.bands[1].name",
        "enforce.best[0].severity",
        "enforce.low",
    ]


@pytest.mark.parametrize(
    ("more", "key", "said"),
    [
        ("forbid: [{object: nowhere, reason: r}]", "forbid[0].object", "nowhere"),
        ("forbid: [{actions: [fly], reason: r}]", "forbid[0].actions[0]", "fly"),
        ("forbid: [{subject: {type: host}, reason: r}]", "forbid[0].subject.type", "host"),
        ("exclusive: [{roles: [web, dbb]}]", "exclusive[0].roles[1]", "dbb"),
        ("exclusive: [{roles: [web, db], max: 2}]", "exclusive[0].max", "nothing"),
        ("never: [{actions: [read], object: db}]", "never[0].object", "db"),
        (
            "never: [{actions: [read], object: nets, at_or_below: low}]",
            "never[0].at_or_below",
            "low",
        ),
        ("protect: [{}]", "protect[0]", "nobody"),
        ("enforce: {bad: [{do: alert}]}", "enforce.bad", "bad"),
        ("enforce: {isolated: [{do: throttle}]}", "enforce.isolated[0]", "limits nothing"),
        ("types: [{label: colour, types: [volum]}]", "types[0].types[0]", "volum"),
        (
            "walls: [{name: w, label: l, conflicts: [[a, a]], mode: running}]",
            "walls[0].conflicts[0]",
            "itself",
        ),
        (
            "walls: [{name: w, label: l, conflicts: [[a, b]], mode: history, write_rule: strict}]",
            "walls[0]",
            "writes",
        ),
        (
            "walls: [{name: w, label: l, conflicts: [[a, b]], mode: running, write_rule: strict}]",
            "walls[0].write_rule",
            "history",
        ),
        ("behaviour: {wep: {}}", "behaviour.wep", "wep"),
        ("behaviour: {web: {probation: bad}}", "behaviour.web.probation", "bad"),
        ("behaviour: {web: {expect: {a: {}}}}", "behaviour.web.expect.a", "no bound"),
        (
            "behaviour: {web: {expect: {a: {max: 1, min: 2}}}}",
            "behaviour.web.expect.a.min",
            "above",
        ),
        (
            "behaviour: {web: {half_life: {good: 8d, bad: 7d}}}",
            "behaviour.web.half_life",
            "outlast",
        ),
        (
            "registry: {objects: [{type: volume, id: a}, {type: volume, id: a}]}",
            "registry.objects[1].id",
            "twice",
        ),
        (
            "registry: {subjects: [{type: host, id: a}]}",
            "registry.subjects[0].type",
            "host",
        ),
        (
            EXCEPTION.replace("guarded", "high"),
            "exceptions[0].floor",
            "high",
        ),
        (
            EXCEPTION.replace("T00:00:00Z", ""),
            "exceptions[0].until",
            "zone",
        ),
    ],
)
def test_rules_that_mean_nothing_are_refused_where_they_stand(more, key, said):
    """Each reference and each contradiction has its own problem."""
    [found] = problems(BASE + more + "\n")
    assert found.key == key
    assert said in str(found)
    assert found.line == BASE.count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("enter: 0.55, leave: 0.45", "enter: 0.85, leave: 0.45", "trust.bands[1].enter", "fall"),
        ("enter: 0.55, leave: 0.45", "enter: 0.75, leave: 0.72", "trust.bands[1].leave", "fall"),
        ("enter: 0.55, leave: 0.45, ", "enter: 0.55, ", "trust.bands[1]", "leave"),
        ("{name: isolated, cap: []}", "{name: isolated, enter: 0.1}", "trust.bands[3].enter",
         "last"),
        ("name: guarded, enter", "name: trusted, enter", "trust.bands[1].name", "twice"),
        ("band: restricted, give_up: 10m", "band: low, give_up: 10m", "trust.stale.band", "low"),
        ("give_up: 10m", "give_up: 10s", "trust.stale.give_up", "longer"),
        ("then: cap, band: restricted, give_up: 10m", "then: hold", "trust.stale", "give_up"),
        ("then: cap, band", "then: bottom, band", "trust.stale.band", "takes no band"),
        ("io: [ro, write]", "io: [ro, write, wire]\n  x: [x]", "actions.x", "itself"),
        ("user: {", "guest: {", "subject_types.guest", "measured"),
        ("state: {not: [sealed]}", "state: {}", "objects.db-data.select.state", "nothing"),
        ("state: {not: [sealed]}", "state: {in: a, present: false}",
         "objects.db-data.select.state", "absent"),
        ("name: base", "name: ba se", "name", "pattern"),
        ("enter: 0.80", "enter: .nan", "trust.bands[0].enter", "finite"),
        ("roles: [web]}", "roles: []}", "subjects[0].roles", "at least 1"),
    ],
)  # fmt: skip
def test_a_change_for_the_worse_is_found(old, new, key, said):
    """Thresholds out of order, loops and empty rules are refused where they stand."""
    found = [p for p in problems(BASE.replace(old, new, 1)) if p.key == key]
    assert len(found) == 1
    assert said in str(found[0])


def test_features_that_nobody_measures_are_refused():
    """An envelope for a misspelt feature would never be crossed."""
    text = BASE + "behaviour: {web: {expect: {net.tx.bites: {max: 1M/s}}, ignore: [cpu.use]}}\n"
    found = problems(text, features={"net.tx.bytes", "cpu.usage"})
    assert [p.key for p in found] == [
        "behaviour.web.expect.net.tx.bites",
        "behaviour.web.ignore[0]",
    ]
    assert found[0].hint == 'did you mean "net.tx.bytes"?'
    load_policy(text, "p.yaml")


def test_the_id_is_of_the_meaning_not_of_the_text():
    """Comments and order change nothing; any value does."""
    one = load_policy(BASE, "a.yaml")
    same = load_policy("# a comment\n" + BASE.replace("[prod, stage]", "[stage, prod]"), "b.yaml")
    other = load_policy(BASE.replace("leave: 0.70", "leave: 0.71"), "c.yaml")
    assert one.id == same.id != other.id
    assert len(one.id) == 64


def test_labels_stand_in_a_document_of_their_own():
    """An objects file is checked like a policy."""
    text = "apiVersion: trustd/v1\nobjects: [{type: volume, id: /a, labels: {app: web}}]\n"
    assert load_registry(text, "objects.yaml").objects[0].labels == {"app": "web"}
    with pytest.raises(PolicyError) as caught:
        load_registry(text.replace("labels", "lables"), "objects.yaml")
    assert caught.value.problems[0].hint == 'did you mean "labels"?'


WHOLE = """\
apiVersion: trustd/v1
name: dc1
mode: observe
actions:
  ro: [read, list]
  io: [ro, write, flush, trim]
  wire: [attach, connect, send, receive]
subjects:
  - {select: {app: web}, roles: [web]}
  - {select: {app: db, env: [prod, stage]}, roles: [db]}
objects:
  web-data: {type: volume, select: {app: web}}
  db-data: {type: volume, select: {app: db, state: {not: [sealed]}}}
  nets: {type: network}
  mgmt: {type: network, select: {zone: mgmt}}
roles:
  web:
    permits:
      - {actions: [io], object: web-data, match: {tenant: tenant}}
      - {actions: [wire], object: nets}
    narrow:
      guarded: {drop: [{actions: [attach], object: mgmt}]}
  db:
    permits: [{actions: [io, snapshot], object: db-data, match: {owner: $id}}]
    narrow: {guarded: {keep: [io]}}
trust:
  bands:
    - {name: trusted, enter: 0.80, leave: 0.70}
    - {name: guarded, enter: 0.55, leave: 0.45, cap: [io, wire, snapshot]}
    - {name: restricted, enter: 0.30, leave: 0.20, cap: [ro, receive]}
    - {name: isolated, cap: []}
  dwell: {up: 5m}
  stale: {after: 30s, then: cap, band: restricted, give_up: 10m}
walls:
  - {name: clients, label: client, conflicts: [[bank-a, bank-b], [oil-a, oil-b]], mode: running}
  - {name: past, label: client, conflicts: [[bank-a, bank-b]], mode: history,
     write_rule: strict, writes: [write]}
types:
  - {label: colour, types: [volume, network]}
enforce:
  restricted: [{do: throttle, disk_iops: 200}, {do: alert}]
  isolated: [{do: capture}, {do: unplug, type: network}, {do: pause}]
limits: {demotions: {max: 3, percent: 20, per: 10m}}
forbid: [{subject: {select: {held: {present: true}}}, actions: [wire], reason: held}]
exclusive: [{roles: [web, db], max: 1}]
never: [{roles: [web], actions: [write], object: db-data, at_or_below: guarded}]
protect: [{select: {tier: infrastructure}}]
exceptions:
  - {id: CHG-114, subject: {id: db-7}, actions: [ro], object: db-data, floor: restricted,
     until: 2026-12-01T00:00:00Z, by: ops@example.org, reason: restore drill}
behaviour:
  default:
    warmup: 24h
    half_life: {good: 36h, bad: 7d}
    rise: 0.05/h
    families: {counters: {cap: 100, reliability: 0.9}, lifecycle: {cap: 60, reliability: 1.0}}
    findings: {snapshot-revert: major, hidden-process: critical, io-error: minor}
    ceilings: {critical: 0.15, major: 0.50}
  web:
    expect:
      net.tx.packets: {max: 50k/s, for: 1m, severity: major}
      disk.write.bytes: {max: 50MiB/s, for: 5m, severity: minor}
    ignore: [cpu.usage]
"""


def test_the_whole_shape_loads():
    """Every section of a policy, in one file."""
    policy = load_policy(WHOLE, "dc1.yaml")
    assert policy.bands == ("trusted", "guarded", "restricted", "isolated")
    assert len(policy.document.walls) == 2


def test_sets_within_sets_take_no_time():
    """Doubling sets, long chains and thousands of wrong names end quickly."""
    doubling = ["a0: [read]"] + [f"a{n}: [a{n - 1}, a{n - 1}]" for n in range(1, 900)]
    text = BASE.replace("actions:\n", "actions:\n  " + "\n  ".join(doubling) + "\n", 1)
    began = time.thread_time()
    policy = load_policy(text.replace("[io], object: web-data", "[a899], object: web-data"), "p")
    assert {grant.action for grant in policy.grants_of_role("web")} == {"read", "connect", "send"}
    wrong = ", ".join(f"wrong{n}" for n in range(20_000))
    found = problems(text.replace("cap: [ro, send]", f"cap: [{wrong}]"))
    assert 100 <= len(found) <= 400
    assert len(str(found[0])) < 2000
    assert time.thread_time() - began < 10


LINES = WHOLE.splitlines(keepends=True)
PIECES = ["{", "}", "[", "]", ":", ",", "*a", "&a ", "-", "  ", "\n", "'", "5", "~", "$id", "!!x "]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_damage_to_a_policy_loads_or_is_explained(data):
    """Lines dropped, doubled and swapped, pieces put anywhere: a policy or its problems."""
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(["drop", "double", "swap", "insert", "cut"]))
        if how == "drop":
            del lines[at]
        elif how == "double":
            lines.insert(at, lines[at])
        elif how == "swap":
            lines[at], lines[-1] = lines[-1], lines[at]
        else:
            place = data.draw(st.integers(0, len(lines[at])))
            rest = lines[at][place + (how == "cut") :]
            lines[at] = lines[at][:place] + data.draw(st.sampled_from(PIECES)) + rest
    found = ()
    try:
        load_policy("".join(lines), "damaged.yaml")
    except PolicyError as error:
        found = error.problems
    assert all(problem.line >= 1 and problem.message for problem in found)
