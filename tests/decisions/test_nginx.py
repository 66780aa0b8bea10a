"""A real nginx that asks trustd before it serves a page."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess

import pytest

from tests.decisions.running import Running
from tests.lab.waiting import wait_until
from trustd.decisions import hashed

pytestmark = pytest.mark.slow

TOKEN = "what-nginx-shows"  # noqa: S105 - of the tests
POLICY = """\
apiVersion: trustd/v1
name: pages
mode: enforce
actions: {all: [read, write, delete]}
subject_types: {user: {}}
subjects:
  - {type: user, id: alice, roles: [reader]}
  - {type: user, id: bob, roles: [reader, editor]}
objects:
  reports: {type: url, id: [/reports, /reports/q1]}
  board: {type: site, id: board}
roles:
  reader: {permits: [{actions: [read], object: reports}, {actions: [read], object: board}]}
  editor: {permits: [{actions: [write], object: reports}]}
trust:
  bands:
    - {name: trusted, enter: 0.75, leave: 0.65}
    - {name: isolated, cap: []}
"""
# one server over the socket (known by its user), one over TCP (known by its token)
CONFIGURATION = """\
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
user root;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  map $http_authorization $user {{ default ""; "as alice" alice; "as bob" bob; "as eve" eve; }}
  upstream socket {{ server unix:{socket}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{front};
    location / {{
      auth_request /_trustd;
      auth_request_set $band $upstream_http_x_trust_band;
      add_header X-Band $band always;
      root {directory}/www; try_files /page =404;
    }}
    location = /_trustd {{
      internal;
      proxy_pass http://socket/auth/request;
      proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_set_header Authorization "";
      proxy_set_header X-Original-URI $request_uri;
      proxy_set_header X-Original-Method $request_method;
      proxy_set_header X-Trust-Subject $user;
    }}
    location /board/ {{ auth_request /_board; root {directory}/www; try_files /page =404; }}
    location = /_board {{
      internal;
      proxy_pass http://127.0.0.1:{port}/auth/request?type=site&object=board;
      proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_set_header Host localhost;
      proxy_set_header Authorization "Bearer {token}";
      proxy_set_header X-Original-URI $request_uri;
      proxy_set_header X-Original-Method $request_method;
      proxy_set_header X-Trust-Subject $user;
    }}
    location /closed/ {{ auth_request /_wrong; root {directory}/www; try_files /page =404; }}
    location = /_wrong {{
      internal;
      proxy_pass http://127.0.0.1:{port}/auth/request;
      proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_set_header Host localhost;
      proxy_set_header Authorization "Bearer guess";
      proxy_set_header X-Original-URI /reports;
      proxy_set_header X-Original-Method GET;
      proxy_set_header X-Trust-Subject alice;
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    directory = tmp_path_factory.mktemp("nginx")
    callers = [
        {"name": "nginx", "user": os.getuid(), "dialects": ["subrequest"]},
        {"name": "nginx-tcp", "token": hashed(TOKEN), "dialects": ["subrequest"]},
    ]
    with Running(directory, POLICY, decisions={"callers": callers}) as found:
        yield found


@pytest.fixture(scope="module")
def ask(daemon):
    """Ask nginx as somebody, and get status and band."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    directory = daemon.directory
    (directory / "www").mkdir()
    (directory / "www/page").write_text("the page\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        front = free.getsockname()[1]
    (directory / "nginx.conf").write_text(
        CONFIGURATION.format(
            directory=directory, socket=daemon.socket, port=daemon.port, front=front, token=TOKEN
        )
    )
    process = subprocess.Popen(
        [nginx, "-p", directory, "-c", directory / "nginx.conf"], stderr=subprocess.PIPE, text=True
    )

    def sent(path, who="", method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", front, timeout=60)
        try:
            named = {"Authorization": f"as {who}"} if who else {}
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named | given)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("X-Band")
        finally:
            connection.close()

    def answers():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            return sent("/")[0] > 0
        except OSError:
            return False

    try:
        wait_until(answers, "nginx answers", seconds=60)
        yield sent
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_permit_serves_the_page_and_denial_does_not(ask):
    """Who may read a page gets it; everybody else is 403; the band comes along."""
    assert ask("/reports", "alice") == (200, "trusted")
    assert ask("/reports/q1?x=1", "alice") == (200, "trusted")
    assert ask("/reports", "eve")[0] == 403
    assert ask("/reports")[0] == 403
    assert ask("/other", "alice")[0] == 403


def test_method_counts(ask):
    """Writing needs more than reading."""
    assert ask("/reports", "alice", "PUT")[0] == 403
    # permitted, and then nginx itself has no use for a PUT on a file
    assert ask("/reports", "bob", "PUT")[0] == 405


def test_headers_of_a_client_change_nothing(ask):
    """What a client sends in trustd's headers is replaced by the proxy."""
    forged = {"X_Trust_Subject": "alice", "X_Original_URI": "/reports", "X_Original_Method": "GET"}
    assert ask("/reports", "eve", **forged)[0] == 403
    assert ask("/other", "alice", **forged)[0] == 403
    assert ask("/reports", "alice", "PUT", **forged)[0] == 403


def test_object_of_a_location_over_tcp_by_token(ask):
    """A location may name its object; over TCP the proxy shows its token; a wrong one denies."""
    assert ask("/board/x", "alice")[0] == 200
    assert ask("/board/x", "eve")[0] == 403
    assert ask("/closed/x", "alice")[0] == 403


def test_without_trustd_nothing_is_served(ask, daemon):
    """While trustd is away nginx fails closed; when it is back pages are served again."""
    daemon.stop()
    try:
        assert ask("/reports", "alice")[0] == 500
    finally:
        daemon.start()
    wait_until(lambda: ask("/reports", "alice")[0] == 200, "it is served again", seconds=60)
