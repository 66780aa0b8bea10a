"""The dialects that are older than AuthZEN, in the bodies that their clients send."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conformance.client import EVALUATION
from tests.decisions.serving import guest, policy, serving, world
from trustd.decisions import hashed

POLICY = (Path(__file__).parent / "dialects.yaml").read_text("utf-8")
TRUSTED, FALLEN = guest(1), guest(2)
SECRET = "s3cr3t-K3Y-of-alice"  # noqa: S105 - of the tests
EVERY = ["authzen", "opa", "oslo", "subrequest"]
CALLERS = [
    {
        "name": "all",
        "user": os.getuid(),
        "dialects": EVERY,
        "subjects": ["user"],
        "objects": ["volume"],
    },
    {"name": "guests", "token": hashed("guests"), "dialects": EVERY, "subject": "guest"},
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    here = world(policy(POLICY), {TRUSTED: "trusted", FALLEN: "restricted"})
    with serving(tmp_path_factory.mktemp("dialects"), here, {"callers": CALLERS}) as found:
        yield found


@pytest.fixture
def client(served):
    return served.unix()


def result(client, given, path="/opa/v1/data/any/allow", **headers):
    answer = client.post(path, given, **headers)
    assert answer.status == 200
    assert set(answer.document) == {"result"}
    return answer.document["result"]


def rgw(method="GET", bucket="hers", user="alice", **more):
    """What Ceph's gateway sends, secrets included."""
    keys = [{"user": user, "access_key": "AK", "secret_key": SECRET}]
    return {
        "input": {
            "method": method,
            "relative_uri": f"/{bucket}/file",
            "decoded_uri": f"/{bucket}/file",
            "params": "",
            "request_uri_aws4": f"/{bucket}/file",
            "object_name": "file",
            "subuser": "",
            "user_info": {"user_id": user, "keys": keys, "swift_keys": keys, "display_name": "A"},
            "bucket_info": {"bucket": {"name": bucket, "bucket_id": "x"}, "owner": user},
            **more,
        }
    }


def test_rgw_asks_about_buckets(client):
    """A method on a bucket is an action; tenants are part of the bucket's name."""
    assert result(client, rgw("GET"))
    assert result(client, rgw("HEAD"))
    assert result(client, rgw("PUT"))
    assert not result(client, rgw("DELETE"))
    assert not result(client, rgw("GET", user="eve"))
    assert not result(client, rgw("GET", bucket="other"))
    assert result(client, rgw("GET", object_name=""))
    tenant = {"bucket": {"name": "hers", "tenant": "acme"}}
    assert result(client, rgw("GET", bucket_info=tenant))
    assert not result(client, rgw("GET", bucket_info={"bucket": {"name": "hers", "tenant": "b"}}))
    assert not result(client, rgw("PUT", params="acl"))
    assert not result(client, rgw("PATCH"))


def test_rgw_without_a_bucket_is_the_path_or_nothing(client):
    """Making a bucket names it by the path; a path that could mean something else is a denial."""
    made = rgw("PUT", object_name="", decoded_uri="/hers")
    del made["input"]["bucket_info"]
    assert result(client, made)
    for path in ("/hers/../other", "/hers/x", "/..", 7):
        made["input"]["decoded_uri"] = path
        assert not result(client, made), path


def test_rgw_shows_its_token_in_its_own_header(served):
    """X-Auth-Token opens the dialect; here its users are guests, with their bands."""
    client = served.tcp()
    headers = {"X-Auth-Token": "guests"}
    assert result(client, rgw("PUT", user=TRUSTED.id), **headers)
    assert result(client, rgw("GET", user=FALLEN.id.upper()), **headers)
    assert not result(client, rgw("PUT", user=FALLEN.id), **headers)
    assert not result(client, rgw("GET", user="alice"), **headers)


def test_minio_asks_by_action_and_begins_with_nothing(client):
    """An action of S3 on a bucket; the empty body of a start is answered with no."""
    body = {
        "account": "alice",
        "groups": None,
        "action": "s3:GetObject",
        "bucket": "hers",
        "conditions": {},
        "owner": False,
        "object": "file",
        "claims": {"accessKey": SECRET},
        "denyOnly": False,
    }
    assert result(client, {"input": body})
    assert not result(client, {"input": body | {"action": "s3:PutObject"}})
    assert not result(client, {"input": body | {"account": "eve"}})
    assert not result(client, b"")


def test_minio_shows_its_token_as_it_is(served):
    """Authorization without a scheme is a token too."""
    body = {"account": TRUSTED.id, "action": "read", "bucket": "any"}
    assert result(served.tcp(), {"input": body}, Authorization="guests")


def test_oslo_policy_opa(client):
    """The rule is in the path, target and credentials in the body."""
    given = {
        "input": {
            "target": {"id": "v1", "project_id": "p1"},
            "credentials": {"user_id": "alice", "project_id": "p1", "roles": ["member"]},
        }
    }
    assert result(client, given, "/opa/v1/data/volume/get/allow")
    assert result(client, given, "/opa/v1/data/volume/get")
    assert not result(client, given, "/opa/v1/data/volume/delete")
    given["input"]["target"]["project_id"] = "p2"
    assert not result(client, given, "/opa/v1/data/volume/get")


def check(client, rule, target, credentials, **headers):
    parts = {"rule": rule, "target": target, "credentials": credentials}
    form = urlencode({name: json.dumps(value) for name, value in parts.items()}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    as_form = client.send("POST", "/oslo/check", form, kind | headers)
    as_json = client.post("/oslo", parts, **headers)
    assert as_form.body == as_json.body
    assert as_form.status == 200
    return as_form.body


def test_oslo_http_check(client):
    """The answer is exactly True or exactly False, for a form as for JSON."""
    admin = {"user_id": "root", "roles": ["reader", "admin"], "is_admin": True}
    assert check(client, "volume:delete", {"id": "v1"}, admin) == b"True"
    assert check(client, "volume:delete", {"id": "v1"}, {"user_id": "alice"}) == b"False"
    assert check(client, "volume:fly", {"id": "v1"}, admin) == b"False"
    assert check(client, "", {"id": "v1"}, admin) == b"False"
    assert check(client, "volume:get", {}, {"user_id": None, "roles": ["admin"]}) == b"False"


def test_oslo_shows_its_token_as_a_password(served):
    """The URL of the rule may carry it: http://NAME:TOKEN@127.0.0.1:9747/oslo."""
    basic = {"Authorization": "Basic " + b64encode(b"nova:guests").decode()}
    given = {"user_id": TRUSTED.id}
    body = {"rule": "site:read", "target": {}, "credentials": given}
    assert served.tcp().post("/oslo", body, **basic).status == 200
    wrong = {"Authorization": "Basic " + b64encode(b"guests:nova").decode()}
    assert served.tcp().post("/oslo", body, **wrong).status == 401


def sub(client, path="/auth/request", *, method="GET", **headers):
    answer = client.send(method, path, headers={n.replace("_", "-"): v for n, v in headers.items()})
    assert answer.status in {200, 403}
    return answer.status == 200


def nginx(subject="alice", uri="/reports?x=1", method="GET"):
    return {"X_Original_URI": uri, "X_Original_Method": method, "X_Trust_Subject": subject}


def test_subrequest_of_nginx(client):
    """Path and method of the client's request decide, and the band is told."""
    assert sub(client, **nginx())
    assert sub(client, **nginx(uri="/a%20b"))
    assert not sub(client, **nginx(uri="/other"))
    assert not sub(client, **nginx(method="POST"))
    assert not sub(client, **nginx(subject="nobody"))
    for uri in ("/x/../reports", "//reports", "/reports/./", "reports", "/%ff", "/reports%00"):
        assert not sub(client, **nginx(uri=uri)), uri
    site = "/auth/request?type=site&object=main"
    assert sub(client, site, **nginx(uri="/whatever", method="POST"))
    assert not sub(client, f"{site}&action=delete", **nginx())
    assert not sub(client, f"{site}&unknown=1", **nginx())
    assert not sub(client, f"{site}&type=site", **nginx())


def test_subrequest_tells_the_band(served):
    """A guest's band comes with the answer, also with no."""
    for which, band, status in ((TRUSTED, "trusted", 200), (FALLEN, "restricted", 403)):
        headers = {name.replace("_", "-"): value for name, value in nginx(which.id).items()}
        headers |= {"Authorization": "Bearer guests", "X-Original-Method": "POST"}
        answer = served.tcp().send("GET", "/auth/request?type=site&object=main", headers=headers)
        assert (answer.status, answer.headers["X-Trust-Band"]) == (status, band)


def test_subrequest_needs_every_header_once(client):
    """A header that is missing or there twice is a denial: a client may have sent it."""
    whole = nginx()
    for name in whole:
        assert not sub(client, **{n: v for n, v in whole.items() if n != name}), name
        assert not sub(client, **whole | {name: ""}), name
    raw = b"".join(
        b"%s: %s\r\n" % (name.replace("_", "-").encode(), value.encode())
        for name, value in [*whole.items(), ("X_Trust_Subject", "eve")]
    )
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(client.url.removeprefix("unix:"))
        peer.sendall(
            b"GET /auth/request HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + raw + b"\r\n"
        )
        assert b" 403 " in peer.recv(4096).partition(b"\r\n")[0]


def test_subrequest_of_caddy_and_envoy(client):
    """Caddy says it in X-Forwarded headers, Envoy in the address and the method themselves."""
    caddy = {"X_Forwarded_Uri": "/reports", "X_Forwarded_Method": "GET", "X_Trust_Subject": "alice"}
    assert sub(client, "/auth/forward", **caddy)
    assert not sub(client, "/auth/forward", **caddy | {"X_Forwarded_Method": "PUT"})
    assert not sub(client, "/auth/forward", **nginx())
    assert sub(client, "/auth/envoy/url/reports?action=write&object=x", X_Trust_Subject="alice")
    assert not sub(client, "/auth/envoy/url/reports", method="PUT", X_Trust_Subject="alice")
    assert sub(client, "/auth/envoy/site/x", method="PUT", X_Trust_Subject="alice")
    for path in ("/auth/envoy/url/x/../reports", "/auth/envoy/url/../request?type=site&object=m"):
        assert not sub(client, path, **nginx()), path


def test_secrets_are_neither_logged_nor_recorded(served, client, caplog, capfd):
    """Keys that a gateway sends in clear are in no log line and in no record, also on errors."""
    caplog.set_level(logging.DEBUG)
    result(client, rgw("DELETE"))
    result(client, rgw("GET", user=None))
    result(client, rgw("GET", bucket_info=SECRET))
    client.post("/opa/v1/data", json.dumps(rgw()).encode()[:-3])
    client.post(EVALUATION, rgw())
    served.records()
    out, err = capfd.readouterr()
    assert SECRET not in caplog.text + out + err
    with served.database.reading() as connection:
        dump = "".join(connection.iterdump())
    assert "alice" in dump
    assert SECRET not in dump
    assert "AK" not in dump


def test_opa_answers_no_by_its_deadline(tmp_path):
    """A gateway waits for ever: who is slow to send its question is answered with no."""
    settings = {"callers": CALLERS, "deadline": "200ms"}
    with serving(tmp_path, world(policy(POLICY)), settings) as served:
        with socket.socket(socket.AF_UNIX) as slow:
            slow.settimeout(60)
            slow.connect(str(served.socket))
            began = time.monotonic()
            slow.sendall(b"POST /opa/v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            answer = slow.recv(4096)
            assert time.monotonic() - began < 30.0
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b'{"result":false}')
