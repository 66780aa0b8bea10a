"""The whole daemon on real guests: a fall takes devices away, keeps evidence, and calls."""

from __future__ import annotations

import json

import pytest

from tests.lab.daemon import Daemon
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.lab

ENVELOPE = 4 * 2**20


def settled(guest):
    return guest["freshness"] == "fresh" and guest["band"] == "trusted" and guest["trust"] > 0.9


def statuses(guest):
    return {each["lever"]: each["status"] for each in guest["actions"]}


def test_a_fall_unplugs_captures_and_calls_once(host, trio, policy):
    """The interface leaves the guest, its memory is kept with a manifest, the operator's command
    has its assessment; after recovery the interface is there, and nothing was done twice."""
    web = trio[0]
    mine = (
        "guarded: [{do: unplug, type: network}, {do: capture}, {do: alert}, {do: hook, name: keep}]"
    )
    falling = policy.replace("enforce:\n", f"enforce:\n  {mine}\n")
    assert falling != policy
    state = "/var/lib/trustd-test"
    told = host.path(f"{state}/told")
    host.path(state).mkdir(parents=True, exist_ok=True)
    evidence = {"directory": f"{state}/evidence", "free": "1MiB", "most": "1GiB"}
    hooks = {"keep": ["/bin/sh", "-c", f"cat >>{state}/told; echo >>{state}/told"]}
    with Daemon(host, falling, evidence=evidence, hooks=hooks) as daemon:
        daemon.wait_guest(web.name, settled, "is trusted", seconds=60)
        web.write(3 * ENVELOPE)

        def fallen(guest):
            said = statuses(guest)
            once = [said.get(name) for name in ("capture", "alert", "hook")]
            return once == ["done"] * 3 and said.get("unplug") in ("applied", "held")

        daemon.wait_guest(web.name, fallen, "is unplugged and captured", seconds=60)
        assert "eth0" not in web.devices()
        (folder,) = host.path(f"{state}/evidence/{web.uuid}").iterdir()
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {each["name"] for each in manifest["files"]} == {"memory.elf", "occasion.json"}
        (line,) = filter(None, told.read_text().splitlines())
        assert (json.loads(line)["guest"]["id"], json.loads(line)["band"]) == (web.uuid, "guarded")
        assert "3f6c1f0c8a5b4d7e9b0f7a4f5d2e61c8" in daemon.log()

        web.quiet()
        recovered = daemon.wait_guest(
            web.name, lambda now: settled(now) and not now["actions"], "is whole", seconds=120
        )
        assert recovered is None or not recovered["actions"]
        wait_until(lambda: "eth0" in web.devices(), "the interface again", seconds=20)
        assert len(list(host.path(f"{state}/evidence/{web.uuid}").iterdir())) == 1
    web.reboot()  # its address came with its boot
