"""Batches of evaluations: one check a rule."""

from __future__ import annotations

from typing import Any

from tests.conformance.client import (
    DENY,
    EVALUATIONS,
    PERMIT,
    Client,
    asked,
    batch,
    decided,
)


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
