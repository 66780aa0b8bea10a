"""An incident on a real guest, from its opening to its report, by the command line alone."""

from __future__ import annotations

import pytest

from tests.e2e.line import TOO_MUCH, reload, settled, unforgiving
from tests.lab.daemon import Daemon

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def test_incident_is_walked_through_by_the_command_line(host, trio, policy):
    """A guest floods its disk and falls: an incident opens. It is shown, acknowledged, assigned and
    commented; a kill -9 in between changes nothing; the guest recovers; the incident is resolved,
    and its report has what happened, who did what, and the trust as a plot."""
    web = trio[0]
    policy += "\nincidents: {open_at: guarded, severities: {guarded: major}}\n"
    with Daemon(host, policy) as daemon:

        def rows(*options):
            told = daemon.trustctl("incidents", *options, "-o", "plain").splitlines()
            return [row for row in (line.split("\t") for line in told) if row[4] == web.uuid]

        def state():
            return [row[2] for row in rows()]

        daemon.wait_guest(web.name, settled, "is trusted", seconds=60)
        assert not state()
        reload(daemon, unforgiving(policy))
        web.write(TOO_MUCH)
        daemon.wait(lambda: state() == ["open"], "an incident opens", seconds=60)
        (number, severity, *_), *_ = rows()
        assert severity == "major"
        shown = daemon.trustctl("incident", number, "-o", "table")
        for words in ("disk.write.bytes", "lost", f"trustctl incident {number} ack"):
            assert words in shown
        daemon.trustctl("incident", number, "ack")
        daemon.trustctl("incident", number, "assign", "grace")
        daemon.trustctl("incident", number, "comment", "asked its owner")
        daemon.kill()
        daemon.start()
        assert [row[:1] + row[7:8] for row in rows()] == [[number, "grace"]]
        web.quiet()
        reload(daemon, policy)
        daemon.wait(lambda: state() == ["recovered"], "the guest recovers", seconds=90)
        daemon.trustctl("incident", number, "resolve", "fault", "--reason", "a loop in a script")
        assert not state()
        page = daemon.trustctl("incident", number, "report", "--format", "html")
        text = daemon.trustctl("incident", number, "report").replace("\\", "")
        for words in (web.name, web.uuid, "grace", "asked its owner", "fault", "disk-throttle"):
            assert words in page
            assert words in text
        assert "<svg" in page
        assert "<script" not in page
        audit = daemon.trustctl("audit", "show", "--kind", "incident", "-o", "plain")
        # another guest that a busy machine leaves unmeasured for long has one of its own
        audit = "\n".join(line for line in audit.splitlines() if web.uuid in line)
        for act in ("opened", "ack", "assign", "comment", "recovered", "resolve"):
            assert act in audit
        assert audit.count('"act": "opened"') == 1
