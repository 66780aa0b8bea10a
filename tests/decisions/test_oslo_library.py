"""The real oslo.policy library, as an OpenStack service uses it, against a running daemon."""

from __future__ import annotations

import pytest
from oslo_config import cfg
from oslo_policy import policy

from tests.decisions.running import Running
from trustd.decisions import hashed

pytestmark = pytest.mark.slow

TOKEN = "what-cinder-shows"  # noqa: S105 - of the tests
POLICY = """\
apiVersion: trustd/v1
name: volumes
mode: enforce
actions: {all: ["volume:get", "volume:delete"]}
subject_types: {user: {properties: accept}}
subjects:
  - {type: user, select: {roles: member}, roles: [member]}
  - {type: user, select: {roles: admin}, roles: [admin]}
objects:
  volumes: {type: volume}
roles:
  member:
    permits: [{actions: ["volume:get"], object: volumes, match: {project_id: project_id}}]
  admin: {permits: [{actions: [all], object: volumes}]}
trust:
  bands:
    - {name: trusted, enter: 0.75, leave: 0.65}
    - {name: isolated, cap: []}
"""
TARGET = {"id": "v1", "project_id": "p1"}
MEMBER = {"user_id": "alice", "project_id": "p1", "roles": ["member", "reader"]}
ADMIN = {"user_id": "root", "project_id": "p0", "roles": ["admin"]}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    caller = {
        "name": "cinder",
        "token": hashed(TOKEN),
        "dialects": ["oslo"],
        "subjects": ["user"],
        "objects": ["volume"],
    }
    directory = tmp_path_factory.mktemp("oslo")
    with Running(directory, POLICY, decisions={"callers": [caller]}) as found:
        yield found


def enforcer(daemon, tmp_path, token, content_type, path="check"):
    """The library's enforcer, with every rule sent to trustd."""
    url = f"http://cinder:{token}@127.0.0.1:{daemon.port}/oslo/{path}"
    rules = tmp_path / "policy.yaml"
    rules.write_text(f'"volume:get": "{url}"\n"volume:delete": "{url}"\n')
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    made = policy.Enforcer(conf, policy_file=str(rules))
    conf.set_override("remote_content_type", content_type, "oslo_policy")
    return made


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/json"])
def test_library_is_answered(daemon, tmp_path, kind):
    """A service that uses the library gets the policy's word, by form and by JSON."""
    known = enforcer(daemon, tmp_path, TOKEN, kind)
    assert known.enforce("volume:get", TARGET, MEMBER) is True
    assert known.enforce("volume:delete", TARGET, MEMBER) is False
    assert known.enforce("volume:get", TARGET | {"project_id": "p2"}, MEMBER) is False
    assert known.enforce("volume:delete", TARGET, ADMIN) is True


@pytest.mark.filterwarnings("default")
def test_library_with_a_wrong_token_is_denied(daemon, tmp_path):
    """A wrong token is a denial to the library, not an error."""
    kind = "application/json"
    assert enforcer(daemon, tmp_path, "guess", kind).enforce("volume:get", TARGET, ADMIN) is False


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", ["%(project_id)s", "%(target.x)s/%(id)s", "check?for=%(name)s"])
@pytest.mark.parametrize("name", ["plain", "a/b c?d=e#f", "../../opa/v1/data", "%41%2e", "\u00e9"])
def test_addresses_may_be_templates(daemon, tmp_path, path, name):
    """What a service writes of the target into the address changes no answer, and what a tenant
    chose to be called turns no denial into a permit."""
    kind = "application/x-www-form-urlencoded"
    known = enforcer(daemon, tmp_path, TOKEN, kind, path)
    target = TARGET | {"target.x": name, "name": name}
    assert known.enforce("volume:delete", target, MEMBER) is False
    assert known.enforce("volume:get", target, MEMBER) is (
        "target.x" not in path or ".." not in name
    )


@pytest.mark.filterwarnings("default")
def test_a_template_without_its_value_is_closed(daemon, tmp_path):
    """A target that lacks what the address asks for is no permit: the library raises."""
    known = enforcer(daemon, tmp_path, TOKEN, "application/json", "%(tenant)s")
    with pytest.raises(KeyError):
        known.enforce("volume:get", TARGET, ADMIN)
