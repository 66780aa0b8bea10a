"""AuthZEN, each rule of it, over the unix socket and over TCP."""

from __future__ import annotations

import os

import pytest

from tests.conformance.authzen import CHECKS
from tests.decisions.serving import policy, serving, world
from trustd.decisions import hashed

TOKEN = "a token that is long enough"  # noqa: S105 - of the tests


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    caller = {
        "name": "suite",
        "user": os.getuid(),
        "token": hashed(TOKEN),
        "dialects": ["authzen"],
        "subjects": ["user", "service"],
        "objects": ["record"],
    }
    directory = tmp_path_factory.mktemp("authzen")
    with serving(directory, world(policy()), {"callers": [caller]}) as found:
        yield found


@pytest.fixture(params=["unix", "tcp"])
def client(served, request):
    return served.unix() if request.param == "unix" else served.tcp(TOKEN)


@pytest.mark.parametrize("rule", CHECKS)
def test_rule_holds(client, rule):
    """What a client of AuthZEN may rely upon, as the suite of clients checks it."""
    CHECKS[rule](client)
