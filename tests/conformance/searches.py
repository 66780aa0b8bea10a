"""Searches: one check a rule."""

from __future__ import annotations

from typing import Any

from tests.conformance.client import (
    SEARCH,
    Client,
    asked,
    decided,
    found_by,
)


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
