"""Whole applications over AuthZEN, with nothing but YAML: a list of things to do, the gateway
before it, and records that are searched. Asked as clients do, over TCP and the unix socket."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.client import EVALUATIONS, batch, decided, found_by
from tests.decisions.serving import policy, serving, world
from trustd.decisions import hashed

HERE = Path(__file__).parent
TOKEN = "what the application shows"  # noqa: S105 - of the tests


def service(directory, name):
    caller = {
        "name": "application",
        "user": os.getuid(),
        "token": hashed(TOKEN),
        "dialects": ["authzen"],
        "subjects": ["user"],
        "objects": ["todo", "order"],
    }
    rules = policy((HERE / f"{name}.yaml").read_text("utf-8"))
    return serving(directory, world(rules), {"callers": [caller]})


@pytest.fixture(params=["unix", "tcp"])
def client_of(request, tmp_path):
    """A client of an application, by its name."""
    with ExitStack() as opened:

        def make(name):
            served = opened.enter_context(service(tmp_path, name))
            return served.unix() if request.param == "unix" else served.tcp(TOKEN)

        yield make


def question(who, action, kind, identity, *, subject="user", **properties):
    resource = {"type": kind, "id": identity}
    if properties:
        resource["properties"] = properties
    return {
        "subject": {"type": subject, "id": who},
        "action": {"name": action},
        "resource": resource,
    }


ADA, BEN, CLEO, DORA = "sub-ada", "sub-ben", "sub-cleo", "sub-dora"
BENS = {"ownerID": "ben@house.example"}


def test_todo_application(client_of):
    """Everybody sees, editors make, editors change their own, an administrator deletes all, a
    genius changes all; strangers do nothing."""
    client = client_of("todo")

    def may(who, action, kind="todo", identity="7", **properties):
        return decided(client, question(who, action, kind, identity, **properties))

    for who in (ADA, BEN, CLEO, DORA):
        assert may(who, "can_read_user", "user", "dora@house.example")
        assert may(who, "can_read_todos")
    assert [may(who, "can_create_todo") for who in (ADA, BEN, DORA)] == [True, True, False]
    for action in ("can_update_todo", "can_delete_todo"):
        asked = [may(who, action, **BENS) for who in (ADA, BEN, CLEO, DORA)]
        assert asked == [True, True, False, False]
    assert not may(BEN, "can_delete_todo")
    assert not may("sub-nobody", "can_read_todos")
    many = batch(
        client,
        {"resource": {"type": "todo", "id": "1", "properties": BENS}},
        {"resource": {"type": "todo", "id": "2", "properties": {"ownerID": "x@house.example"}}},
        {"resource": {"type": "todo", "id": "3"}, "action": {"name": "can_read_todos"}},
        subject={"type": "user", "id": BEN},
        action={"name": "can_update_todo"},
    )
    assert many == [{"decision": True}, {"decision": False}, {"decision": True}]


def test_gateway(client_of):
    """A route is permitted by its method and pattern, whatever properties the request has."""
    client = client_of("gateway")
    matrix = {
        ("GET", "/users/{userId}"): (True, True, True),
        ("GET", "/todos"): (True, True, True),
        ("POST", "/todos"): (True, True, False),
        ("PUT", "/todos/{todoId}"): (True, True, False),
        ("DELETE", "/todos/{todoId}"): (True, True, False),
        ("PATCH", "/todos"): (False, False, False),
        ("GET", "/elsewhere"): (False, False, False),
    }
    for (method, route), expected in matrix.items():
        told = {"uri": f"https://house.example{route}", "params": {"userId": "1"}}
        asked = tuple(
            decided(client, question(who, method, "route", route, subject="identity", **told))
            for who in (ADA, BEN, DORA)
        )
        assert asked == expected, (method, route)
    kim, lee = (
        decided(client, question(who, "GET", "route", "/builds", subject="identity"))
        for who in ("sub-kim", "sub-lee")
    )
    assert (kim, lee) == (True, False)


USERS, RECORDS = ("alice", "bob", "carol", "dan", "eve"), ("101", "102", "103", "104", "105")


def permitted(user, action, record):
    """What the rules of records.yaml say in words."""
    department = {"alice": "sales", "bob": "sales", "carol": "law", "dan": "law"}.get(user)
    its, owner, closed = {
        "101": ("sales", "alice", False),
        "102": ("sales", "bob", False),
        "103": ("law", "carol", False),
        "104": ("law", "dan", True),
        "105": ("law", "bob", False),
    }[record]
    if department is None and user != "eve":
        return False
    owns = owner == user and department is not None
    manages = user in {"alice", "carol"} and department == its
    assigned = user == "bob" and record in {"103", "104"}
    rules = {
        "view": department == its or owns or ((manages or assigned) and not closed),
        "edit": (owns or manages or assigned) and not closed,
        "delete": owns and not closed,
    }
    return rules[action]


def test_records_are_decided_and_found(client_of):
    """Single answers, a batch and the three searches all say what the rules say in words."""
    client = client_of("records")
    every = [(u, a, r) for u in USERS for a in ("view", "edit", "delete") for r in RECORDS]
    expected = {each: permitted(*each) for each in every}
    assert 10 < sum(expected.values()) < len(every) / 2
    asked = [question(user, action, "record", record) for user, action, record in every]
    single = {each: decided(client, one) for each, one in zip(every, asked, strict=True)}
    assert single == expected
    many = batch(client, *asked)
    assert [each["decision"] for each in many] == list(expected.values())
    for action in ("view", "edit", "delete"):
        for record in RECORDS:
            document = question("", action, "record", record) | {"subject": {"type": "user"}}
            found = found_by(client, "subject", document)["results"]
            users = [user for user in USERS if permitted(user, action, record)]
            assert found == [{"type": "user", "id": user} for user in users]
        for user in USERS:
            document = question(user, action, "", "") | {"resource": {"type": "record"}}
            found = found_by(client, "resource", document)["results"]
            records = [each for each in RECORDS if permitted(user, action, each)]
            assert found == [{"type": "record", "id": each} for each in records]
    for user in USERS:
        for record in RECORDS:
            document = question(user, "", "record", record)
            del document["action"]
            found = found_by(client, "action", document)["results"]
            actions = [a for a in ("delete", "edit", "view") if permitted(user, a, record)]
            assert found == [{"name": each} for each in actions]


def test_whoever_made_an_order_does_not_approve_it(client_of):
    """Four eyes: a manager approves the orders of others; also where the owner comes with the
    question."""
    client = client_of("records")
    answers = [decided(client, question("alice", "approve", "order", n)) for n in ("o1", "o2")]
    assert answers == [False, True]
    new = {"department": "sales", "owner": "alice"}
    assert not decided(client, question("alice", "approve", "order", "new", **new))
    assert decided(client, question("alice", "approve", "order", "new", **new | {"owner": "bob"}))


def test_pages_of_an_application(client_of):
    """A search in pages, with a batch's errors between, gives what the whole search gives."""
    client = client_of("records")
    whole = found_by(
        client, "resource", question("alice", "view", "", "") | {"resource": {"type": "record"}}
    )
    page, pages = {"limit": 1}, []
    for _ in range(len(whole["results"])):
        document = question("alice", "view", "", "") | {"resource": {"type": "record"}}
        found = found_by(client, "resource", document | {"page": page})
        pages += found["results"]
        page = {"token": found["page"]["next_token"]}
    assert pages == whole["results"]
    assert page == {"token": ""}
    assert client.post(EVALUATIONS, {"evaluations": [{}, {}]}).status == 200
