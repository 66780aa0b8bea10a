"""Following a how-to from its first command to its last leads where it says."""

import json
from pathlib import Path

import pytest

from tests.documents.blocks import blocks
from tests.documents.running import run
from tests.documents.typing_in import Shell
from tests.lab.playground import Playground

HOWTO = Path(__file__).parents[2] / "docs/howto"
WRITE = HOWTO / "write-a-policy.md"
ENFORCE = HOWTO / "observe-to-enforce.md"
DIRECTORY = "/run/lab/site"
BEGIN = (
    "trustd run >>/var/log/trustd.log 2>&1 &"
    " until trustctl status >/dev/null 2>&1; do sleep 0.2; done"
)
END = "kill $!; wait $!"
CASES = """\
apiVersion: trustd/v1
policy: ../site.yaml
subjects: {web: {labels: {app: web}}}
objects: {disk: {type: volume}}
cases:
  - {name: it works, subject: web, object: disk, trust: 0.9, expect: {write: permit}}
  - {name: it only reads, subject: web, object: disk, trust: 0.1,
     expect: {read: permit, write: band-cap}}
"""
"""What the page tells its reader to write as well."""


@pytest.mark.lab
@pytest.mark.timeout(900)
def test_a_policy_is_written_and_leads_from_observing_to_enforcing(
    playground: Playground, shell: Shell
) -> None:
    """Every command of both pages succeeds beside the daemon of a fresh installation; then the
    policy that the first one shows is in force, and the label that it sets gives the role."""
    (text,) = [each.text for each in blocks(WRITE) if "apiVersion" in each.text]
    playground.path(f"{DIRECTORY}/tests").mkdir(parents=True)
    playground.path(f"{DIRECTORY}/site.yaml").write_text(text, "utf-8")
    playground.path(f"{DIRECTORY}/tests/web.yaml").write_text(CASES, "utf-8")
    fresh = "install -D -m 644 -t /etc/trustd/policies policies/*.yaml policies/*.json"
    assert shell.run(fresh)[0] == 0
    settings = "policy: /etc/trustd/policies/site.yaml"
    typed = f"install -m 644 policies/default.yaml /etc/trustd/policies/site.yaml; cd {DIRECTORY}"
    assert shell.run(f"echo '{settings}' >/etc/trustd/trustd.yaml; {typed}")[0] == 0
    assert shell.run(BEGIN)[0] == 0
    assert run(WRITE, shell) >= 9
    in_role = "trustctl guests --role web --label env:prod -o plain | grep -q web-1"
    assert shell.run(f"until {in_role}; do sleep 0.2; done")[0] == 0
    assert json.loads(shell.run("trustctl status -o json")[1])["policy"]["name"] == "site"
    # two weeks later there is a history to play; so there is once the daemon ended
    assert shell.run(f"{END}; {BEGIN}")[0] == 0
    assert run(ENFORCE, shell) >= 5
    assert shell.run(END)[0] == 0
