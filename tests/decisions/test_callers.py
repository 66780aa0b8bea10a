"""Who may ask, in which dialect, and what the others learn: nothing."""

from __future__ import annotations

import os
from itertools import product

import pytest

from tests.conformance.client import EVALUATION, SEARCH, asked
from tests.decisions.serving import policy, serving, world
from trustd.config import DecisionSettings, Dialect
from trustd.decisions import Callers, hashed

TOKENS = {name: f"token of {name}" for name in ("zen", "gateway", "nova", "proxy")}
DIALECTS = {"zen": "authzen", "gateway": "opa", "nova": "oslo", "proxy": "subrequest"}
CALLERS = [
    {"name": name, "token": hashed(token), "dialects": [DIALECTS[name]]}
    for name, token in TOKENS.items()
]

RGW = {
    "method": "GET",
    "relative_uri": "/b",
    "decoded_uri": "/b",
    "params": "",
    "user_info": {"user_id": "alice"},
    "bucket_info": {"bucket": {"name": "b"}},
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RULE = b"rule=%22record%3Aget%22&target=%7B%7D&credentials=%7B%22user_id%22%3A%22alice%22%7D"
ORIGINAL = {"X-Original-URI": "/x", "X-Original-Method": "GET", "X-Trust-Subject": "alice"}


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


ASK = {
    "authzen": lambda client, token: client.post(EVALUATION, asked(), **bearer(token)),
    "opa": lambda client, token: client.post(
        "/opa/v1/data/rgw", {"input": RGW}, **({"X-Auth-Token": token} if token else {})
    ),
    "oslo": lambda client, token: client.send("POST", "/oslo", RULE, FORM | bearer(token)),
    "subrequest": lambda client, token: client.send(
        "GET", "/auth/request", headers=ORIGINAL | bearer(token)
    ),
}
REFUSED = {
    "authzen": (401, b'"unauthorized"'),
    "opa": (401, b'{"result":false}'),
    "oslo": (401, b"False"),
    "subrequest": (403, b""),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    directory = tmp_path_factory.mktemp("callers")
    with serving(directory, world(policy()), {"callers": CALLERS}) as found:
        yield found


@pytest.mark.parametrize(("dialect", "name"), list(product(ASK, [*TOKENS, "", "nobody"])))
@pytest.mark.parametrize("over", ["unix", "tcp"])
def test_matrix_of_callers_and_dialects(served, over, dialect, name):
    """A token opens its caller's dialects and no other, on the socket as on TCP."""
    client = served.unix() if over == "unix" else served.tcp()
    answer = ASK[dialect](client, TOKENS.get(name, name))
    if DIALECTS.get(name) == dialect:
        assert "X-Trust-Policy" in answer.headers
    else:
        assert (answer.status, answer.body) == REFUSED[dialect]
        assert "X-Trust-Policy" not in answer.headers


def test_refusal_is_the_same_whatever_is_asked(served):
    """Known or unknown, whole or broken: who may not ask sees one answer."""
    client, before = served.tcp(), served.records()
    answers = {
        (answer.status, answer.body)
        for document in (asked(), asked("nobody"), b"{", b"", {"evaluations": 7})
        for path in (EVALUATION, f"{SEARCH}subject")
        for answer in [client.post(path, document)]
    }
    assert answers == {REFUSED["authzen"]}
    assert served.records() == before


def test_open_dialect_answers_strangers_in_that_dialect_only(tmp_path):
    """A setting opens one dialect; what a stranger brings does not count."""
    settings = {"callers": CALLERS, "open": ["authzen"]}
    with serving(tmp_path, world(policy()), settings) as served:
        client = served.tcp()
        assert client.post(EVALUATION, asked()).document == {"decision": True}
        mine = {"type": "record", "id": "new", "properties": {"owner": "alice"}}
        assert client.post(EVALUATION, asked() | {"resource": mine}).document["decision"] is False
        who = {"type": "user", "id": "eve", "properties": {"role": "manager", "department": "law"}}
        document = asked(record="r3") | {"subject": who}
        assert client.post(EVALUATION, document).document["decision"] is False
        assert ASK["opa"](client, "").status == 401
        assert {record.caller for record in served.records()} == {""}


def test_registered_caller_brings_only_what_it_is_registered_for(tmp_path):
    """Properties count for the types of the registration, and no others."""
    caller = {
        "name": "half",
        "user": os.getuid(),
        "dialects": ["authzen"],
        "objects": ["volume"],
    }
    with serving(tmp_path, world(policy()), {"callers": [caller]}) as served:
        mine = {"type": "record", "id": "new", "properties": {"owner": "alice"}}
        answer = served.unix().post(EVALUATION, asked() | {"resource": mine})
        assert answer.document == {"decision": False}


@pytest.mark.parametrize(
    ("peer", "expected"), [((1, 100), "by-user"), ((2, 20), "by-group"), ((2, 21), None)]
)
def test_peers_are_known_by_user_and_then_by_group(peer, expected):
    """On the socket the kernel's word counts: the user, else the group, else nobody."""

    class Known:
        uid, gid = peer

    callers = Callers(
        DecisionSettings.model_validate(
            {
                "callers": [
                    {"name": "by-group", "group": 20, "dialects": ["opa"]},
                    {"name": "by-user", "user": 1, "dialects": ["opa"]},
                    {"name": "by-token", "token": hashed("t"), "dialects": ["opa"]},
                ]
            }
        )
    )
    found = callers.identify(Dialect.OPA, Known(), ())
    assert (found.name if found else None) == expected
    assert callers.identify(Dialect.OSLO, Known(), ()) is None
    with_token = callers.identify(Dialect.OPA, Known(), ("t",))
    assert with_token is not None
    assert with_token.name == "by-token"


def test_first_caller_that_fits_counts():
    """Of callers that are one user, the first that speaks the dialect is meant; one that has a
    user is not known by its group as well."""

    class Known:
        uid, gid = 1, 20

    class Kin:
        uid, gid = 2, 20

    given = [
        {"name": "first", "user": 1, "group": 20, "dialects": ["opa"]},
        {"name": "second", "user": 1, "dialects": ["opa", "oslo"]},
        {"name": "third", "group": 20, "dialects": ["oslo"]},
    ]
    callers = Callers(DecisionSettings.model_validate({"callers": given}))
    found = [
        callers.identify(dialect, peer())
        for dialect in (Dialect.OPA, Dialect.OSLO)
        for peer in (Known, Kin)
    ]
    assert [each and each.name for each in found] == ["first", None, "second", "third"]


def test_settings_hold_no_token():
    """A token stands in the settings as its sha256; the token itself opens nothing there."""
    digest = hashed("secret")
    settings = DecisionSettings.model_validate(
        {"callers": [{"name": "a", "token": digest, "dialects": ["opa"]}]}
    )
    callers = Callers(settings)
    assert callers.identify(Dialect.OPA, None, ("secret",)) is not None
    assert callers.identify(Dialect.OPA, None, (digest,)) is None
    assert callers.identify(Dialect.OPA, None, ("",)) is None


def test_token_tells_its_caller_whatever_it_is_for():
    """A caller is named by its token alone; a guess, a digest and nothing name nobody."""
    callers = Callers(
        DecisionSettings.model_validate(
            {
                "callers": [
                    {"name": "ids", "token": hashed("a"), "dialects": ["evidence"]},
                    {"name": "pdp", "token": hashed("b"), "dialects": ["opa"]},
                    {"name": "root", "user": 0, "dialects": ["opa"]},
                ]
            }
        )
    )
    assert [callers.named(each) for each in (("a",), ("x", "b"))] == ["ids", "pdp"]
    assert {callers.named(each) for each in ((), ("",), ("x",), (hashed("a"),))} == {None}
