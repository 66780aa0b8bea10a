"""Single evaluations, and what holds for every request: one check a rule."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.client import (
    EVALUATION,
    EVALUATIONS,
    METADATA,
    PERMIT,
    SEARCH,
    Client,
    asked,
    batch,
    decided,
)


def check_permit_and_denial_are_both_200(client: Client) -> None:
    """A denial is an answer, not an error."""
    assert decided(client, asked("alice", "can_view", "r1"))
    assert not decided(client, asked("alice", "can_edit", "r2"))


def check_owner_and_derived_actions(client: Client) -> None:
    """Whoever owns a record may do all of what its role derives; a colleague may view."""
    for action in ("can_view", "can_edit", "can_delete"):
        assert decided(client, asked("alice", action, "r1"))
    assert decided(client, asked("alice", "can_view", "r2"))
    assert not decided(client, asked("alice", "can_view", "r3"))


def check_unknown_is_denied(client: Client) -> None:
    """Unknown subjects, types, actions and resources are denied, without an error."""
    assert not decided(client, asked("nobody"))
    assert not decided(client, asked(action="can_fly"))
    assert not decided(client, asked(record="r99"))
    assert not decided(client, asked() | {"subject": {"type": "robot", "id": "alice"}})
    assert not decided(client, asked() | {"resource": {"type": "planet", "id": "r1"}})


def check_brought_properties_of_a_subject_win(client: Client) -> None:
    """What a registered caller says of a user wins over what is stored."""
    who = {"type": "user", "id": "alice", "properties": {"department": "law"}}
    assert decided(client, asked(record="r3") | {"subject": who})
    assert not decided(client, asked(record="r2") | {"subject": who})
    new = {"type": "user", "id": "eve", "properties": {"role": ["employee"], "department": "law"}}
    assert decided(client, asked(record="r3") | {"subject": new})


def check_brought_properties_of_a_resource(client: Client) -> None:
    """What a registered caller says of a record that is not stored counts."""
    mine = {"type": "record", "id": "new", "properties": {"owner": "alice"}}
    assert decided(client, asked(action="can_delete") | {"resource": mine})
    theirs = {"type": "record", "id": "new", "properties": {"owner": "bob"}}
    assert not decided(client, asked(action="can_delete") | {"resource": theirs})


def check_stored_labels_of_a_resource_stay(client: Client) -> None:
    """What is stored of a record is not talked away."""
    claimed = {"type": "record", "id": "r2", "properties": {"owner": "alice"}}
    assert not decided(client, asked(action="can_edit") | {"resource": claimed})
    opened = {"type": "record", "id": "r4", "properties": {"state": "open"}}
    assert not decided(client, asked("carol", "can_delete") | {"resource": opened})


def check_types_without_properties_take_none(client: Client) -> None:
    """Properties of a type for which the policy takes none change nothing."""
    who = {"type": "service", "id": "stranger", "properties": {"role": "manager"}}
    assert not decided(client, asked() | {"subject": who})


def check_unknown_fields_are_ignored(client: Client) -> None:
    """Fields that nobody knows are passed over at every level."""
    document = asked(more=1, context={"time": "now", "nested": {"a": [1]}})
    for part in ("subject", "action", "resource"):
        document[part]["more"] = {"deep": [1, None]}
    assert decided(client, document)


def check_malformed_is_400_with_a_message(client: Client) -> None:
    """What is missing, of a wrong type or no JSON is 400, with a message as a string."""
    whole = asked()
    broken: list[Any] = [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000]
    for part in whole:
        broken.append({name: value for name, value in whole.items() if name != part})
        broken += [whole | {part: value} for value in (None, "x", 1, [], [whole[part]], {})]
        for field in whole[part]:
            broken += [whole | {part: {**whole[part], field: v}} for v in (123, None, {}, [], True)]
    broken.append(whole | {"context": "x"})
    broken.append(whole | {"subject": {**whole["subject"], "properties": []}})
    for document in broken:
        for path in (EVALUATION, EVALUATIONS):
            answer = client.post(path, document)
            assert answer.status == 400, (path, document, answer)
            assert isinstance(answer.document, str), answer.body
            assert answer.document


def check_duplicate_keys_are_refused(client: Client) -> None:
    """A key that is there twice could be read in two ways, and is refused at every depth."""
    good = json.dumps(asked()).encode()
    head = b'{"subject":{"type":"user","id":"bob"},'
    assert client.post(EVALUATION, good).status == 200
    assert client.post(EVALUATION, head + good[1:]).status == 400
    twice = good.replace(b'"id": "alice"', b'"id": "bob", "id": "alice"')
    assert client.post(EVALUATION, twice).status == 400
    escaped = good.replace(b'"id": "alice"', rb'"id": "bob", "\u0069d": "alice"')
    assert client.post(EVALUATION, escaped).status == 400
    spaced = good.replace(b'"id": "alice"', b'"id" \n: "bob", "id"\t:"alice"')
    assert client.post(EVALUATION, spaced).status == 400
    hidden = b'{"context": {"x": "\\u0022:"},' + twice[1:]
    assert client.post(EVALUATION, hidden).status == 400
    odd = asked(context={" : ": ':":', '"': "a\\"})
    assert client.post(EVALUATION, odd).status == 200


def check_content_type_must_be_json(client: Client) -> None:
    """A body that does not say that it is JSON is 400; parameters of the type are fine."""
    body = json.dumps(asked()).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
        headers = {"Content-Type": kind} if kind else {}
        assert client.send("POST", EVALUATION, body, headers).status == 400, kind
    for kind in ("application/json; charset=utf-8", "Application/JSON"):
        assert client.send("POST", EVALUATION, body, {"Content-Type": kind}).status == 200, kind


def check_too_much_is_413_with_a_message(client: Client) -> None:
    """A body beyond every batch is refused as a whole, with a message and the identity."""
    body = asked(context={"more": "x" * (2 << 20)})
    answer = client.post(EVALUATIONS, body, **{"X-Request-ID": "large"})
    assert answer.status == 413
    assert isinstance(answer.document, str)
    assert answer.headers["X-Request-ID"] == "large"
    assert decided(client, asked())


def check_request_id_is_echoed(client: Client) -> None:
    """X-Request-ID comes back as it was sent, on answers and on errors."""
    for path, body in ((EVALUATION, asked()), (EVALUATION, b"{"), (EVALUATIONS, asked())):
        answer = client.post(path, body, **{"X-Request-ID": "a-1 B/2=="})
        assert answer.headers["X-Request-ID"] == "a-1 B/2=="
    assert "X-Request-ID" not in client.post(EVALUATION, asked()).headers


def check_answers_are_bare(client: Client) -> None:
    """Answers hold what the specification names, compact and as JSON."""
    answer = client.post(EVALUATION, asked())
    assert answer.body == b'{"decision":true}'
    assert answer.headers["Content-Type"].startswith("application/json")
    several = client.post(EVALUATIONS, {**asked(), "evaluations": [{}, {}]})
    assert several.body == b'{"evaluations":[{"decision":true},{"decision":true}]}'


def check_every_answer_names_one_policy(client: Client) -> None:
    """The policy that decided is told, and is one."""
    paths = ((EVALUATION, asked()), (EVALUATIONS, {**asked(), "evaluations": [{}]}))
    hashes = {client.post(path, body).headers["X-Trust-Policy"] for path, body in paths}
    assert len(hashes) == 1
    assert len(hashes.pop()) == 64


def check_reasons_come_on_request_only(client: Client) -> None:
    """Who asks for reasons is told the code, the band and the policy."""
    told = client.post(EVALUATION, asked(action="can_fly", context={"trustd_reasons": True}))
    assert told.document["decision"] is False
    assert told.document["context"]["reason"] == "unknown-action"
    assert told.document["context"]["policy"] == told.headers["X-Trust-Policy"]
    several = batch(client, {}, {"context": {"trustd_reasons": True}}, **asked())
    assert several[0] == PERMIT
    assert several[1]["context"]["reason"] == "permit"


def check_metadata(client: Client) -> None:
    """The configuration names this service by https, and every endpoint below it."""
    answer = client.send("GET", METADATA)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    found = answer.document
    here = found["policy_decision_point"]
    assert here.startswith("https://")
    assert found["access_evaluation_endpoint"] == here + EVALUATION
    assert found["access_evaluations_endpoint"] == here + EVALUATIONS
    for what in ("subject", "resource", "action"):
        assert found[f"search_{what}_endpoint"] == here + SEARCH + what
    assert None not in found.values()


def check_only_post_is_answered(client: Client) -> None:
    """Other methods are refused."""
    for path in (EVALUATION, EVALUATIONS, f"{SEARCH}subject"):
        assert client.send("GET", path).status == 405
