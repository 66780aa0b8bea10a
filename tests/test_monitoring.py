"""The rules and the dashboard that ship beside the program fit its metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
RULES = ROOT / "contrib/prometheus/trustd.rules.yaml"
DASHBOARD = ROOT / "contrib/grafana/trustd.json"
DOCUMENTED = set(
    re.findall(r"^### (trustd_\w+)$", (ROOT / "docs/metrics.md").read_text("utf-8"), re.MULTILINE)
)


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("promtool")
    assert tool, "install the Debian package prometheus"
    command = [tool, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=RULES.parent)


def named(expression: str) -> set[str]:
    """The metrics that an expression reads; a histogram's parts are the histogram."""
    found = re.findall(r"(?<![\w:])trustd_\w+", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", each) for each in found}


def test_the_rules_are_valid_and_say_what_they_promise():
    """Prometheus takes the rules, and they pass their own tests."""
    assert promtool("check", "rules", RULES).returncode == 0
    done = promtool("test", "rules", RULES.with_name("trustd.test.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_in_the_rules_exists():
    """No alert waits for a metric that trustd does not have."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    used = {name for group in groups for rule in group["rules"] for name in named(rule["expr"])}
    assert used
    assert not used - DOCUMENTED


def test_every_alert_says_what_to_do():
    """An alert has a severity, a summary and a description."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    for alert in alerts:
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}, alert["alert"]
        assert {"summary", "description"} == set(alert["annotations"]), alert["alert"]


@pytest.fixture(scope="module")
def dashboard():
    return json.loads(DASHBOARD.read_text("utf-8"))


def test_every_metric_on_the_dashboard_exists(dashboard):
    """No panel is empty because its metric is called otherwise."""
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert all(map(named, expressions))
    assert not set().union(*map(named, expressions)) - DOCUMENTED


def test_panels_do_not_overlap(dashboard):
    """Every place of the dashboard's grid belongs to one panel at most, within 24 columns."""
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]
