"""What holds for every policy: the properties by which a policy can be trusted."""

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest
from generated_policies import (
    ACTIONS,
    BANDS,
    NAMES,
    NOW,
    UNTIL,
    ask,
    documents,
    fitting,
    forbids,
    loaded,
    questions,
    selects,
    walls,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trustd.errors import PolicyError
from trustd.model import ObjectRef
from trustd.policy import decide, effective, explain, load_policy

pytestmark = pytest.mark.slow

many = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
LEAST_PERMITS = 0.3


def permit_rate(check):
    """Run a property, and fail it where too few questions were permitted to mean much."""
    counted = Counter()
    check(counted)
    assert counted["asked"] >= 100
    assert counted["permitted"] / counted["asked"] >= LEAST_PERMITS, counted


def count(counted, permit):
    counted["asked"] += 1
    counted["permitted"] += permit


def test_lower_trust_never_grants_more():
    """Permit in one band implies permit in every better band."""

    @permit_rate
    def _(counted):
        @many
        @given(st.data())
        def run(data):
            document = data.draw(documents())
            question = data.draw(questions(document))
            policy = loaded(document)
            permits = [ask(policy, question, band).decision.permit for band in BANDS]
            assert permits == sorted(permits, reverse=True)
            count(counted, permits[0])

        run()


def test_what_is_taken_away_is_only_what_the_best_band_permits():
    """Held and lost actions never overlap, and agree with every single decision."""

    @permit_rate
    def _(counted):
        @many
        @given(st.data())
        def run(data):
            document = data.draw(documents())
            question = data.draw(questions(document))
            policy = loaded(document)
            subject = policy.subject(question.kind, question.identity, question.labels)
            target = policy.target(question.ref, question.object_labels)
            for band in BANDS:
                [access] = effective(policy, subject, band, [target], at=NOW).access
                for action in ACTIONS:
                    one = replace(question, action=action, running={}, history={})
                    here = ask(policy, one, band).decision.permit
                    best = ask(policy, one, BANDS[0]).decision.permit
                    assert (action in access.held) is here
                    assert (action in access.lost) is (best and not here)
            count(counted, bool(access.held | access.lost))

        run()


def test_a_history_wall_never_opens_two_sides():
    """No subject is ever permitted two values of one conflict set."""

    @permit_rate
    def _(counted):
        @many
        @given(st.data())
        def run(data):
            document = data.draw(documents())
            document["walls"] = [data.draw(walls()) | {"mode": "history"}]
            policy = loaded(document)
            bound, touched = frozenset(), set()
            question = replace(data.draw(questions(document)), history={})
            for _ in range(6):
                tenant = data.draw(st.sampled_from(["x", "y", "z"]))
                asked = replace(
                    question, object_labels={**question.object_labels, "tenant": tenant}
                )
                ruling = ask(policy, asked, BANDS[0], history={"wall": bound})
                count(counted, ruling.decision.permit)
                if ruling.decision.permit:
                    touched.add(tenant)
                    bound |= {value for wall, value in ruling.binds if wall == "wall"}
                else:
                    assert ruling.binds == ()
            assert not {"x", "y"} <= touched

        run()


def test_only_a_permit_binds_and_nothing_else_changes_history():
    """Explaining and a dry run leave history as it was; the same question binds the same."""

    @many
    @given(st.data())
    def run(data):
        document = data.draw(documents())
        document["walls"] = [data.draw(walls()) | {"mode": "history"}]
        policy = loaded(document)
        question = data.draw(questions(document))
        history = {"wall": frozenset(question.history.get("wall", ()))}
        first = ask(policy, question, BANDS[0], history=history)
        subject = policy.subject(question.kind, question.identity, question.labels)
        target = policy.target(question.ref, question.object_labels)
        explain(policy, subject, question.action, target, band=BANDS[0], at=NOW, history=history)
        assert ask(policy, question, BANDS[0], history=history) == first

    run()


def test_an_exception_ends_on_time_and_crosses_no_gate():
    """At and after its end a decision is that of the policy without the exception."""

    @permit_rate
    def _(counted):
        @many
        @given(st.data())
        def run(data):
            document = data.draw(documents())
            question = data.draw(questions(document))
            plain = loaded({**document, "exceptions": []})
            policy = loaded(document)
            for band in BANDS:
                without = ask(plain, question, band).decision
                during = ask(policy, question, band).decision
                for at in (UNTIL, UNTIL + 1):
                    after = ask(policy, question, band, at=at).decision
                    assert (after.permit, after.reason) == (without.permit, without.reason)
                if during.permit and not without.permit:
                    assert without.reason in {"band-cap", "band-keep", "band-drop"}
                    assert question.identity == "one"
                if without.permit:
                    assert during.permit
            count(counted, without.permit or during.permit or ask(policy, question, BANDS[0])
                  .decision.permit)  # fmt: skip

        run()


def test_taking_more_away_never_grants():
    """Adding a forbid, a wall, a type rule or a drop never turns a denial into a permit."""

    @permit_rate
    def _(counted):
        @many
        @given(st.data())
        def run(data):
            document = data.draw(documents())
            question = data.draw(questions(document))
            sets = sorted(document["objects"])
            more = json.loads(json.dumps(document))
            kind = data.draw(st.sampled_from(["forbid", "walls", "types", "drop", "cap"]))
            if kind == "forbid":
                more["forbid"].append(data.draw(forbids(sets)))
            elif kind == "walls":
                more["walls"].append({**data.draw(walls()), "name": "more"})
            elif kind == "types":
                more["types"].append({"label": "app", "types": ["volume"]})
            elif kind == "drop":
                role = more["roles"][data.draw(st.sampled_from(sorted(more["roles"])))]
                narrow = role["narrow"].setdefault("good", {})
                drop = {"actions": ["write"], "object": data.draw(st.sampled_from(sets))}
                narrow["drop"] = [*narrow.get("drop", ()), drop]
            else:
                more["trust"]["bands"][2]["cap"] = (
                    data.draw(
                        st.lists(st.sampled_from(more["trust"]["bands"][2].get("cap", NAMES)))
                    )
                    if more["trust"]["bands"][2].get("cap", NAMES)
                    else []
                )
            less, policy = loaded(more), loaded(document)
            for band in BANDS:
                before = ask(policy, question, band).decision.permit
                after = ask(less, question, band).decision.permit
                assert before or not after
                count(counted, before)

        run()


def shuffled(data, value, key=""):
    """The same document, with keys and lists in another order."""
    if isinstance(value, dict):
        keys = data.draw(st.permutations(sorted(value)))
        return {k: shuffled(data, value[k], k) for k in keys}
    if isinstance(value, list):
        items = [shuffled(data, item) for item in value]
        return items if key == "bands" else data.draw(st.permutations(items))
    return value


def test_the_order_of_lists_and_keys_means_nothing():
    """Permuting a policy changes neither its id nor any decision."""

    @permit_rate
    def _(counted):
        @many
        @given(st.data())
        def run(data):
            document = data.draw(documents())
            question = data.draw(questions(document))
            one, two = loaded(document), loaded(shuffled(data, document))
            assert one.id == two.id
            for band in BANDS:
                assert ask(one, question, band) == ask(two, question, band)
            count(counted, ask(one, question, BANDS[0]).decision.permit)

        run()


def test_a_failed_load_changes_no_decision():
    """The policy in force answers the same, with the same hash, after a load that failed."""

    @permit_rate
    def _(counted):
        @many
        @given(st.data())
        def run(data):
            document = data.draw(documents())
            question = data.draw(questions(document))
            policy = loaded(document)
            before = [ask(policy, question, band) for band in BANDS]
            with pytest.raises(PolicyError):
                load_policy(json.dumps({**document, "rolez": {}}), "bad.yaml")
            assert [ask(policy, question, band) for band in BANDS] == before
            assert {ruling.decision.policy for ruling in before} == {policy.id}
            count(counted, before[0].decision.permit)

        run()


def test_explain_agrees_with_decide():
    """An explanation has the decision itself, and exactly one failed gate where it denies."""

    @permit_rate
    def _(counted):
        @many
        @given(st.data())
        def run(data):
            document = data.draw(documents())
            question = data.draw(questions(document))
            policy = loaded(document)
            subject = policy.subject(question.kind, question.identity, question.labels)
            target = policy.target(question.ref, question.object_labels)
            asked = replace(question, running={}, history={})
            for band in BANDS:
                told = explain(policy, subject, question.action, target, band=band, at=NOW)
                assert told.decision == ask(policy, asked, band).decision
                failed = [gate for gate in told.gates if gate.passed is False]
                assert len(failed) == (0 if told.decision.permit else 1)
                assert told.text
                if told.nearest:
                    better = str(told.decision.detail["needs_band"])
                    assert ask(policy, asked, better).decision.permit
                elif not told.decision.permit and told.decision.reason.startswith("band"):
                    assert not ask(policy, asked, BANDS[0]).decision.permit
            count(counted, ask(policy, asked, BANDS[0]).decision.permit)

        run()


words = st.one_of(st.text(max_size=10), st.sampled_from(["guest", "volume", "read", "$id", ""]))


@many
@given(st.data(), st.tuples(words, words, words, words), st.dictionaries(words, words, max_size=3))
def test_what_is_not_known_is_denied(data, asked, labels):
    """Whatever words a request brings: an answer, and no permit for what is unknown."""
    kind, identity, action, object_type = asked
    policy = loaded(data.draw(documents()))
    subject = policy.subject(kind, identity, labels)
    target = policy.target(ObjectRef(object_type, identity), labels)
    ruling = decide(policy, subject, action, target, band="nonsense", at=NOW)
    if action not in policy.actions or subject is None or target is None:
        assert ruling.decision.reason.startswith("unknown-")
    assert ruling.decision.permit is (ruling.decision.reason == "permit")
    if kind == "guest":
        assert ruling.decision.band == BANDS[-1]


@many
@given(st.data())
def test_labels_that_fit_a_selector_are_in_its_set(data):
    """The generator's idea of fitting is the selector's."""
    select = data.draw(selects())
    labels = data.draw(fitting(select))
    document = {
        "apiVersion": "trustd/v1",
        "name": "one",
        "objects": {"only": {"type": "volume", "select": select}},
        "trust": {"bands": [{"name": "a", "enter": 0.5, "leave": 0.4}, {"name": "b"}]},
    }
    assert loaded(document).target(ObjectRef("volume", "v"), labels).sets == 1


def test_two_first_accesses_bind_once():
    """Two subjects' tasks that decide and bind under one lock open one side only."""
    document = {
        "apiVersion": "trustd/v1",
        "name": "race",
        "subjects": [{"roles": ["all"]}],
        "objects": {"all": {"type": "volume"}},
        "roles": {"all": {"permits": [{"actions": ["read"], "object": "all"}]}},
        "walls": [
            {"name": "wall", "label": "client", "conflicts": [["x", "y"]], "mode": "history"}
        ],
        "trust": {"bands": [{"name": "a", "enter": 0.5, "leave": 0.4}, {"name": "b"}]},
    }
    policy = loaded(document)
    subject = policy.subject("guest", "g", {})
    bound = set()
    permitted = []

    async def access(value, lock):
        target = policy.target(ObjectRef("volume", value), {"client": value})
        async with lock:
            history = {"wall": frozenset(bound)}
            ruling = decide(policy, subject, "read", target, band="a", at=0, history=history)
            await asyncio.sleep(0)
            bound.update(value for _, value in ruling.binds)
        permitted.append(ruling.decision.permit)

    async def both():
        lock = asyncio.Lock()
        await asyncio.gather(access("x", lock), access("y", lock))

    asyncio.run(both())
    assert sorted(permitted) == [False, True]
    assert len(bound) == 1
