"""AuthZEN Authorization API 1.0 as a client sees it: one check a rule.

    python -m tests.conformance.authzen http://127.0.0.1:9747 --token TOKEN
    python -m tests.conformance.authzen unix:/run/trustd/trustd.sock

The service must run the policy ``authzen.yaml`` beside this file, and the caller must be
registered for the dialect, for properties of users and for properties of records.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
SEARCH = "/access/v1/search/"
METADATA = "/.well-known/authzen-configuration"


@dataclass(frozen=True)
class Answer:
    """A response: its status, headers and JSON document."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """Asks a service at ``http://HOST:PORT`` or ``unix:PATH``."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self.token = token

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        if self.url.startswith("unix:"):
            connection: http.client.HTTPConnection = _Unix(self.url.removeprefix("unix:"))
        else:
            connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            connection.request(method, path, body, {**own, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def post(self, path: str, document: Any, **headers: str) -> Answer:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.send("POST", path, body, {"Content-Type": "application/json", **headers})


def asked(
    subject: str = "alice", action: str = "can_view", record: str = "r1", **more: Any
) -> dict[str, Any]:
    """A question about a user and a record."""
    return {
        "subject": {"type": "user", "id": subject},
        "action": {"name": action},
        "resource": {"type": "record", "id": record},
        **more,
    }


def decided(client: Client, document: Any) -> bool:
    answer = client.post(EVALUATION, document)
    assert answer.status == 200, (answer.status, answer.body)
    assert set(answer.document) == {"decision"}, answer.document
    found = answer.document["decision"]
    assert isinstance(found, bool)
    return found


def batch(client: Client, *items: Any, **more: Any) -> list[Any]:
    answer = client.post(EVALUATIONS, {"evaluations": list(items), **more})
    assert answer.status == 200, (answer.status, answer.body)
    found: list[Any] = answer.document["evaluations"]
    return found


PERMIT, DENY = {"decision": True}, {"decision": False}


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


def check_batch_defaults_are_replaced_whole(client: Client) -> None:
    """An item's entity takes the place of the default; nothing is merged."""
    view = {"action": {"name": "can_view"}}
    default = asked()
    found = batch(client, {}, view, {"resource": {"type": "record", "id": "r3"}}, **default)
    assert found == [PERMIT, PERMIT, DENY]
    partial = batch(client, {"subject": {"id": "bob"}}, **default)
    assert partial[0]["decision"] is False
    assert partial[0]["context"]["error"]["status"] == 400
    brought = {"type": "user", "id": "eve", "properties": {"role": "employee"}}
    assert batch(client, {"subject": brought}, **default) == [DENY]


def check_batch_without_defaults(client: Client) -> None:
    """Each item may bring everything itself, in order."""
    found = batch(client, asked(), asked("alice", "can_edit", "r2"), asked("bob", "can_edit", "r2"))
    assert found == [PERMIT, DENY, PERMIT]


def check_batch_of_nothing_is_the_single_call(client: Client) -> None:
    """Without items a batch behaves as the single call in everything."""
    for more in ({}, {"evaluations": []}, {"options": {}}):
        answer = client.post(EVALUATIONS, {**asked(), **more})
        assert (answer.status, answer.document) == (200, PERMIT), more
    assert client.post(EVALUATIONS, {"evaluations": []}).status == 400


def check_broken_item_is_a_denial_in_its_place(client: Client) -> None:
    """A broken item costs the others nothing."""
    found = batch(client, asked(), {"subject": {"type": "user"}}, "x", asked(), {})
    assert [item["decision"] for item in found] == [True, False, False, True, False]
    for number in (1, 2, 4):
        assert found[number]["context"]["error"]["status"] == 400
        assert found[number]["context"]["error"]["message"]
    assert found[3] == PERMIT


def check_malformed_batch_is_400(client: Client) -> None:
    """A batch that is no batch is refused as a whole."""
    for document in (
        {"evaluations": {}},
        {"evaluations": "x"},
        {"evaluations": None, **asked()},
        {"evaluations": [{}], **asked(), "options": []},
        {"evaluations": [{}], **asked(), "options": {"evaluations_semantic": "any"}},
        {"evaluations": [{}], **asked(), "options": {"evaluations_semantic": 1}},
        {"evaluations": [{}], **asked(), "subject": "alice"},
    ):
        answer = client.post(EVALUATIONS, document)
        assert answer.status == 400, document
        assert isinstance(answer.document, str)


def check_short_circuits_end_at_the_deciding_item(client: Client) -> None:
    """The three semantics: all; up to the first denial; up to the first permit."""
    yes, no = asked(), asked("alice", "can_edit", "r2")

    def run(semantic: str, *items: Any) -> list[bool]:
        options = {"evaluations_semantic": semantic}
        return [each["decision"] for each in batch(client, *items, options=options)]

    assert run("execute_all", no, yes, no) == [False, True, False]
    assert run("deny_on_first_deny", yes, yes, no, yes) == [True, True, False]
    assert run("deny_on_first_deny", yes, yes) == [True, True]
    assert run("deny_on_first_deny", yes, {}, yes) == [True, False]
    assert run("permit_on_first_permit", no, no, yes, no) == [False, False, True]
    assert run("permit_on_first_permit", no, no) == [False, False]
    assert run("permit_on_first_permit", {}, no, yes, {}) == [False, False, True]


def check_reasons_come_on_request_only(client: Client) -> None:
    """Who asks for reasons is told the code, the band and the policy."""
    told = client.post(EVALUATION, asked(action="can_fly", context={"trustd_reasons": True}))
    assert told.document["decision"] is False
    assert told.document["context"]["reason"] == "unknown-action"
    assert told.document["context"]["policy"] == told.headers["X-Trust-Policy"]
    several = batch(client, {}, {"context": {"trustd_reasons": True}}, **asked())
    assert several[0] == PERMIT
    assert several[1]["context"]["reason"] == "permit"


def found_by(client: Client, what: str, document: Any) -> Any:
    answer = client.post(SEARCH + what, document)
    assert answer.status == 200, (answer.status, answer.body)
    return answer.document


def check_subject_search(client: Client) -> None:
    """Who may do it: subjects with type and id; an id in the request is ignored."""
    question = asked(action="can_edit", record="r2")
    for who in ({"type": "user"}, {"type": "user", "id": "alice"}):
        found = found_by(client, "subject", question | {"subject": who})
        assert found == {
            "results": [{"type": "user", "id": "bob"}, {"type": "user", "id": "carol"}]
        }


def check_resource_search(client: Client) -> None:
    """On what it may be done."""
    for what in ({"type": "record"}, {"type": "record", "id": "r3"}):
        found = found_by(client, "resource", asked() | {"resource": what})
        assert found == {"results": [{"type": "record", "id": each} for each in ("r1", "r2", "r4")]}


def check_action_search(client: Client) -> None:
    """What may be done; no action is asked for, and none is needed."""
    for more in ({}, {"action": {"name": "can_fly"}}, {"action": 7}):
        document = {**asked(record="r2"), **more}
        if not more:
            del document["action"]
        assert found_by(client, "action", document) == {"results": [{"name": "can_view"}]}


def check_search_of_the_unknown_is_empty(client: Client) -> None:
    """An unknown type or id gives no results and no error."""
    unknown = {"type": "robot", "id": "x"}
    for what, document in (
        ("subject", asked() | {"subject": {"type": "robot"}}),
        ("subject", asked() | {"resource": unknown}),
        ("subject", asked(record="r99")),
        ("resource", asked() | {"resource": {"type": "planet"}}),
        ("resource", asked() | {"subject": unknown}),
        ("resource", asked("nobody")),
        ("action", asked() | {"subject": unknown}),
        ("action", asked("nobody")),
        ("resource", asked(action="can_fly")),
    ):
        assert found_by(client, what, document) == {"results": []}, (what, document)


def check_malformed_search_is_400(client: Client) -> None:
    """A search without its parts, or with a page that is none, is refused."""
    for what, missing in (
        ("subject", "subject"),
        ("subject", "resource"),
        ("subject", "action"),
        ("resource", "subject"),
        ("resource", "action"),
        ("resource", "resource"),
        ("action", "subject"),
        ("action", "resource"),
    ):
        document = asked()
        del document[missing]
        assert client.post(SEARCH + what, document).status == 400, (what, missing)
    for page in ("x", [], {"limit": "1"}, {"limit": -1}, {"limit": True}, {"token": 1}):
        assert client.post(SEARCH + "resource", asked(page=page)).status == 400, page
    assert client.post(SEARCH + "resource", asked(page={"token": "bm8"})).status == 400
    assert client.post(SEARCH + "resource", asked() | {"subject": {"type": "user"}}).status == 400


def check_paging_gives_every_result_once(client: Client) -> None:
    """Pages follow each other by token, with or without the limit; an empty token ends them."""
    whole = [each["id"] for each in found_by(client, "resource", asked())["results"]]
    for again in ({"limit": 1}, {}):
        page: dict[str, Any] = {"limit": 1}
        seen: list[str] = []
        while True:
            found = found_by(client, "resource", asked(page=page))
            assert len(found["results"]) <= 1
            seen += [each["id"] for each in found["results"]]
            if not found["page"]["next_token"]:
                break
            page = {"token": found["page"]["next_token"], **again}
        assert seen == whole
    last = found_by(client, "resource", asked(page={"limit": 100}))
    assert last["page"] == {"next_token": ""}


def check_token_is_of_its_question(client: Client) -> None:
    """A token of one search does not serve another."""
    found = found_by(client, "resource", asked(page={"limit": 1}))
    other = asked("bob", page={"token": found["page"]["next_token"]})
    assert client.post(SEARCH + "resource", other).status == 400


def check_search_is_the_filter_of_decide(client: Client) -> None:
    """Every search finds what single decisions permit, and nothing else."""
    users, records = ("alice", "bob", "carol", "dan"), ("r1", "r2", "r3", "r4")
    actions = ("can_view", "can_edit", "can_delete")
    permitted = {
        (user, action, record)
        for user in users
        for action in actions
        for record in records
        if decided(client, asked(user, action, record))
    }
    assert 0 < len(permitted) < len(users) * len(actions) * len(records)
    by_subject, by_resource, by_action = set(), set(), set()
    for action in actions:
        for record in records:
            for each in found_by(client, "subject", asked("", action, record))["results"]:
                by_subject.add((each["id"], action, record))
        for user in users:
            for each in found_by(client, "resource", asked(user, action, ""))["results"]:
                by_resource.add((user, action, each["id"]))
    for user in users:
        for record in records:
            for each in found_by(client, "action", asked(user, "", record))["results"]:
                by_action.add((user, each["name"], record))
    assert by_subject == by_resource == by_action == permitted


def check_batch_is_the_single_call(client: Client) -> None:
    """Each item of a batch answers as the single call."""
    questions = [
        asked(user, action, record)
        for user in ("alice", "bob", "dan")
        for action in ("can_view", "can_delete")
        for record in ("r1", "r2", "r3", "r4")
    ]
    single = [{"decision": decided(client, question)} for question in questions]
    assert batch(client, *questions) == single


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


Check = Callable[[Client], None]
CHECKS: Mapping[str, Check] = {
    name.removeprefix("check_"): check
    for name, check in sorted(globals().items())
    if name.startswith("check_")
}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Run every check, and say which the service does not pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="http://HOST:PORT or unix:PATH")
    parser.add_argument("--token", default="", help="shown as a bearer token")
    options = parser.parse_args()
    client = Client(options.url, options.token)
    failed = 0
    for name, check in CHECKS.items():
        try:
            check(client)
        except (AssertionError, KeyError, OSError, ValueError) as error:
            failed += 1
            say(f"FAILED  {name}: {check.__doc__}\n        {error!r:.500}")
        else:
            say(f"passed  {name}")
    say(f"{len(CHECKS) - failed} of {len(CHECKS)} passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
