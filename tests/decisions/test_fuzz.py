"""Whatever is sent: never a grant, never a 500, never silence."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.client import EVALUATION, EVALUATIONS, SEARCH, asked
from tests.decisions.serving import policy, serving, world

POLICY = (Path(__file__).parent / "dialects.yaml").read_text("utf-8")
EVERY = ["authzen", "opa", "oslo", "subrequest"]
ADDRESSES = (
    EVALUATION,
    EVALUATIONS,
    f"{SEARCH}subject",
    f"{SEARCH}resource",
    f"{SEARCH}action",
    "/opa/v1/data/volume/get/allow",
    "/oslo/x",
)
RGW = {
    "method": "GET",
    "decoded_uri": "/hers",
    "params": "",
    "user_info": {"user_id": "mallory", "keys": [{"secret_key": "x"}]},
    "bucket_info": {"bucket": {"name": "hers"}},
}
MINIO = {"account": "mallory", "action": "s3:GetObject", "bucket": "hers"}
OSLO = {"rule": "volume:get", "target": {"id": "v"}, "credentials": {"user_id": "mallory"}}
SEEDS = (
    asked("mallory"),
    {**asked("mallory"), "evaluations": [{}, asked()]},
    {**asked("mallory"), "page": {"limit": 1, "token": "x"}},
    {"input": RGW},
    {"input": MINIO},
    {"input": OSLO},
    OSLO,
)
GRANTS = (b'"decision":true', b'"result":true', b"True")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    # nobody in the fuzz's words has a role, so every permit is one by accident
    text = POLICY.replace("id: [alice, eve]", "id: [zoe-the-only]").replace(
        "roles: admin", "roles: zoe"
    )
    caller = {"name": "all", "user": os.getuid(), "dialects": EVERY, "subjects": ["user"]}
    here = world(policy(text))
    with serving(tmp_path_factory.mktemp("fuzz"), here, {"callers": [caller]}) as found:
        yield found.unix()


@st.composite
def mutated(draw):
    """A real question with one value replaced, dropped or added somewhere in it."""
    document = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    here = document
    for _ in range(draw(st.integers(0, 3))):
        inner = [value for value in here.values() if isinstance(value, dict)]
        if not inner:
            break
        here = draw(st.sampled_from(inner))
    if here and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(here)))
        if draw(st.booleans()):
            del here[name]
        else:
            here[name] = draw(json_values)
    else:
        here[draw(st.text(max_size=8))] = draw(json_values)
    return json.dumps(document).encode()


def sound(answer):
    assert answer.status < 500, answer
    assert not any(grant in answer.body for grant in GRANTS), answer


# the client itself gives up an answer that takes too long
some = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@some
@given(address=st.sampled_from(ADDRESSES), body=st.one_of(st.binary(max_size=64), mutated()))
def test_bodies(client, address, body):
    """Bytes and mutated questions at every address: 400 or a denial."""
    sound(client.post(address, body))


@some
@given(address=st.sampled_from(ADDRESSES), value=json_values)
def test_json_values(client, address, value):
    """Any JSON at every address: 400 or a denial."""
    sound(client.post(address, json.dumps(value).encode()))


@some
@given(body=st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_forms(client, body):
    """Any form at the oslo dialect is answered with False."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.send("POST", "/oslo", body, kind)
    assert (answer.status, answer.body) == (200, b"False")


latin = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=24)


@some
@given(texts=st.tuples(latin, latin, latin, latin, latin))
def test_subrequests(client, texts):
    """Any header and any query at the subrequest is a denial."""
    path, method, uri, subject, request_id = texts
    fields = {
        "X-Original-URI": uri,
        "X-Original-Method": method,
        "X-Trust-Subject": subject,
        "X-Request-ID": request_id,
        "Authorization": subject,
    }
    lines = [b"GET /auth/request?" + quoted(path) + b" HTTP/1.1", b"Host: x", b"Connection: close"]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in fields.items()]
    status = raw(client, b"\r\n".join(lines) + b"\r\n\r\n")
    assert status in {400, 403}, status


@some
@given(header=st.binary(max_size=24).filter(lambda b: not set(b) & set(b"\r\n\0")))
def test_request_id_of_any_bytes(client, header):
    """No identity of a request, whatever its bytes, costs the answer."""
    body = json.dumps(asked("mallory")).encode()
    head = (
        b"POST /access/v1/evaluation HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nX-Request-ID: " + header + b"\r\n"
    )
    status = raw(client, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert status in {200, 400}, status


def quoted(text):
    return b"".join(b"%%%02x" % byte for byte in text.encode())


def raw(client, request):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(client.url.removeprefix("unix:"))
        peer.sendall(request)
        answer = b""
        while piece := peer.recv(4096):
            answer += piece
    assert not any(grant in answer for grant in GRANTS)
    return int(answer.split(b" ", 2)[1])


def test_deep_and_wide_bodies(client):
    """Nesting and size are refused, not suffered."""
    for body in (b"[" * 200_000, b'{"a":' * 50_000, b'{"a":[' * 400 + b"1" + b"]}" * 400):
        sound(client.post(EVALUATION, body))
        sound(client.post("/opa/v1/data", body))
        sound(client.post("/oslo", body))
    items = {"evaluations": [{}] * 10_001}
    assert client.post(EVALUATIONS, items).status == 400
    assert client.post(EVALUATION, b" " * (2 << 20)).status == 413
