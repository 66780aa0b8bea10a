"""The policies that are shipped load, pass their cases, and have their schema beside them."""

import json
from pathlib import Path

import pytest

from trustd.documents import Document
from trustd.errors import PolicyError
from trustd.model import Mode
from trustd.policy import compiled, load_policy
from trustd.policy.cases import load_cases
from trustd.policy.jsonschema import json_schema
from trustd.policy.lint import lint
from trustd.policy.testing import run_cases

FOLDER = Path(__file__).parents[2] / "policies"
POLICIES = sorted([FOLDER / "default.yaml", *(FOLDER / "examples").glob("*.yaml")])
CASES = sorted((FOLDER / "tests").glob("*.yaml"))
MEANT = {"lab.yaml": {"trusting-probation"}}


def ids(path):
    return path.stem


@pytest.mark.parametrize("path", POLICIES, ids=ids)
def test_every_shipped_policy_raises_no_doubt(path):
    """A shipped policy loads, and lint doubts nothing that is not meant."""
    document = Document.read(path.read_text(), str(path), PolicyError)
    doubts = {doubt.code for doubt in lint(compiled(document), document, at=0.0)}
    assert doubts == MEANT.get(path.name, set())


@pytest.mark.parametrize("path", CASES, ids=ids)
def test_cases_hold_and_reach_the_whole_policy(path):
    """Every case answers as written, and no permit, drop, forbid or band is never reached."""
    cases = load_cases(path.read_text(), str(path))
    target = (path.parent / cases.policy).resolve()
    report = run_cases(load_policy(target.read_text(), str(target)), [cases])
    assert report.failed == ()
    assert report.answers == sum(len(case.expect) for case in cases.cases)
    assert report.coverage.reached == report.coverage.rules, report.coverage


def test_every_shipped_policy_has_cases():
    """No policy is shipped without a file of cases."""
    tested = {
        (path.parent / load_cases(path.read_text(), str(path)).policy).resolve() for path in CASES
    }
    assert tested == {path.resolve() for path in POLICIES}


def test_the_default_policy_observes():
    """A fresh installation does nothing to any guest."""
    policy = load_policy((FOLDER / "default.yaml").read_text(), "default.yaml")
    modes = {policy.mode_of(("generic",), band) for band in policy.bands}
    assert modes == {Mode.OBSERVE}


@pytest.mark.parametrize("path", POLICIES, ids=ids)
def test_the_modeline_names_the_schema(path):
    """An editor finds the schema by the first line of every policy."""
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.split("=", 1)[1]).resolve() == FOLDER / "trustd-policy.schema.json"


def test_the_schema_file_is_that_of_the_code():
    """The schema that editors use is generated from the models and up to date."""
    assert json.loads((FOLDER / "trustd-policy.schema.json").read_text()) == json_schema()


def test_a_case_that_is_wrong_fails():
    """The runner can fail: a wrong expectation and a wrong band are both reported."""
    text = (FOLDER / "tests" / "lab.yaml").read_text()
    wrong = text.replace("write: permit", "write: forbid", 1).replace(
        "band: guarded", "band: isolated", 1
    )
    policy = load_policy((FOLDER / "examples" / "lab.yaml").read_text(), "lab.yaml")
    report = run_cases(policy, [load_cases(wrong, "wrong.yaml")])
    found = {(failed.action, failed.expected, failed.got) for failed in report.failed}
    assert found == {("write", "forbid", "permit"), ("", "isolated", "guarded")}


def test_what_no_case_reaches_is_named():
    """Coverage names the permits, drops, forbids and bands that no case hit."""
    text = (FOLDER / "tests" / "tiers.yaml").read_text()
    cases = load_cases(text, "tiers.yaml")
    only_first = cases.model_copy(update={"cases": cases.cases[:1]})
    policy = load_policy((FOLDER / "examples" / "tiers.yaml").read_text(), "tiers.yaml")
    missed = run_cases(policy, [only_first]).coverage
    assert "web: web-data" not in missed.permits
    assert "db: db-data" in missed.permits
    assert missed.drops == ("web: guarded", "web: restricted")
    assert missed.forbids == ("a guest in quarantine has no network",)
    assert missed.bands == ("guarded", "restricted", "isolated")
