"""The whole daemon on real guests: a fall takes devices away, keeps evidence, and calls."""

from __future__ import annotations

import json

import pytest

from tests.e2e.line import TOO_MUCH, reload, settled, unforgiving
from tests.lab.daemon import Daemon
from tests.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def statuses(guest):
    return {each["lever"]: each["status"] for each in guest["actions"]}


@pytest.fixture
def state(host, trio):
    """A directory inside; at its end the guest has its interface, and an address, as before."""
    path = "/var/lib/trustd-test"
    host.path(path).mkdir(parents=True)
    yield path
    host.run("rm", "-rf", path)
    trio[0].reboot()  # its address came with its boot


def test_a_fall_unplugs_captures_and_calls_once(host, trio, policy, state):
    """The interface leaves the guest, its memory is kept with a manifest, the operator's command
    has its assessment; after recovery the interface is there, and nothing was done twice."""
    web = trio[0]
    mine = (
        "guarded: [{do: unplug, type: network}, {do: capture}, {do: alert}, {do: hook, name: keep}]"
    )
    falling = policy.replace("enforce:\n", f"enforce:\n  {mine}\n")
    assert falling != policy
    told = host.path(f"{state}/told")
    evidence = {"directory": f"{state}/evidence", "free": "1MiB", "most": "1GiB"}
    hooks = {"keep": ["/bin/sh", "-c", f"cat >>{state}/told; echo >>{state}/told"]}
    with Daemon(host, falling, evidence=evidence, hooks=hooks) as daemon:
        daemon.wait_guest(web.name, settled, "is trusted", seconds=60)
        reload(daemon, unforgiving(falling))
        web.write(TOO_MUCH)

        def fallen(guest):
            said = statuses(guest)
            once = [said.get(name) for name in ("capture", "alert", "hook")]
            return once == ["done"] * 3 and said.get("unplug") in ("applied", "held")

        daemon.wait_guest(web.name, fallen, "is unplugged and captured", seconds=120)
        wait_until(lambda: "eth0" not in web.devices(), "the interface is gone", seconds=30)
        (folder,) = host.path(f"{state}/evidence/{web.uuid}").iterdir()
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {each["name"] for each in manifest["files"]} == {"memory.elf", "occasion.json"}
        (line,) = filter(None, told.read_text().splitlines())
        assert (json.loads(line)["guest"]["id"], json.loads(line)["band"]) == (web.uuid, "guarded")
        assert "3f6c1f0c8a5b4d7e9b0f7a4f5d2e61c8" in daemon.log(400)

        web.quiet()
        reload(daemon, falling)
        daemon.wait_guest(
            web.name, lambda now: settled(now) and not now["actions"], "is whole", seconds=180
        )
        wait_until(lambda: "eth0" in web.devices(), "the interface again", seconds=60)
        assert len(list(host.path(f"{state}/evidence/{web.uuid}").iterdir())) == 1
