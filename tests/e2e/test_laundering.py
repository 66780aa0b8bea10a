"""History cannot be laundered: each way to do it works against a trustd without its ledger, and
fails against the real one. Every scenario is played twice, on real guests."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

from tests.e2e.conftest import lab_policy
from tests.e2e.line import TOO_MUCH, unforgiving
from tests.lab.daemon import DIRECTORY, Daemon
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import Disk, GuestSpec

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

BANDS = ("trusted", "guarded", "restricted", "isolated")
NAME = "suspect"
SNAPSHOT = "<domainsnapshot><name>good</name></domainsnapshot>"
SAVED = "/var/lib/libvirt/images/good.save"
LABELLED = "<guest>{}</guest>"
LABEL = "<label key='{}'>{}</label>"
EVERYTHING = (
    libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
)
LONG = 180.0
"""Seconds after which what was to come does not come any more: an emulator that is slow to answer,
as on a busy machine, is spared questions for up to one minute."""
HELD = 4
"""Ticks for which it is watched that nothing comes back."""


class Forgetful(Daemon):
    """trustd without its ledger."""

    def command(self, *arguments):
        script = str(Path(__file__).with_name("forgetful.py"))
        return [sys.executable, script, *super().command(*arguments)[3:]]

    def signal(self, number):
        pid = self.hypervisor.run("pgrep", "-f", "forgetful.py run").stdout.split()[0]
        self.hypervisor.run("kill", f"-{number}", pid)


class Case:
    """A guest that fell and is limited, and who watches it."""

    def __init__(self, host, daemon, guest, *, ledger):
        self.host = host
        self.daemon = daemon
        self.guest = guest
        self.ledger = ledger
        self.before = {}

    def now(self):
        """The guest as trustd sees it; empty where it does not know it."""
        found = self.daemon.guest(self.guest.uuid)
        return found if "id" in found else {}

    def limit(self):
        """Bytes a second that it may write, as libvirt has it; 0 for no limit."""
        with self.guest.domain() as domain:
            if not domain.isActive():
                return 0
            return int(domain.blockIoTune("vda", libvirt.VIR_DOMAIN_AFFECT_LIVE)["write_bytes_sec"])

    def begin(self):
        """Have it fall, unless it is low already."""
        with self.guest.domain() as domain:
            if not domain.isActive():
                domain.create()
        self.daemon.wait(
            lambda: self.now().get("freshness") == "fresh", "it is measured", seconds=LONG
        )
        if self.now()["band"] == "trusted":
            self.guest.wait_ready(seconds=LONG)
            self.guest.write(TOO_MUCH)
            self.daemon.wait(lambda: self.now()["band"] != "trusted", "it falls", seconds=LONG)
            self.guest.quiet()
        self.daemon.wait(lambda: self.limit() > 0, "it is limited", seconds=LONG)
        self.before = self.now()

    def judge(self, *kinds):
        """What became of it: forgiven without the ledger, else as before, with this evidence."""
        if not self.ledger:
            self.daemon.wait(
                lambda: self.now().get("band") == "trusted" and not self.limit(),
                "without the ledger it is forgiven",
                seconds=LONG,
            )
            return
        self.daemon.wait(
            lambda: self.now().get("freshness") == "fresh" and self.limit() > 0,
            "it is measured and limited again",
            seconds=LONG,
        )
        first = self.now()["tick"]
        while (now := self.now())["tick"] < first + HELD:
            assert BANDS.index(now["band"]) >= BANDS.index(self.before["band"])
            assert now["trust"] <= self.before["trust"] + 0.03
            assert self.limit() > 0
            time.sleep(0.1)
        assert {each["kind"] for each in now["findings"]} >= set(kinds)


@pytest.fixture(scope="module")
def host(shared):
    with Hypervisor("launder", shared=[shared]) as hypervisor:
        yield hypervisor


@pytest.fixture(scope="module", params=["without-ledger", "with-ledger"])
def watched(request, host):
    """A guest that was good once: a snapshot and a saved state tell of it."""
    ledger = request.param == "with-ledger"
    policy = unforgiving(lab_policy()).replace("bad: 60s", "bad: 7d")
    # the heir of the only guest is a second one that falls
    policy = policy.replace("percent: 100, per: 1m", "percent: 100, per: 1s")
    assert policy.count("bad: 7d") == policy.count("per: 1s") == 1
    kind = Daemon if ledger else Forgetful
    daemon = kind(host, policy, state=f"{DIRECTORY}/{request.param}", on_stop="restore")
    (guest,) = host.start(GuestSpec(NAME, labels={"app": "web"}))
    with daemon:
        case = Case(host, daemon, guest, ledger=ledger)
        daemon.wait(lambda: case.now().get("band") == "trusted", "it is trusted", seconds=LONG)
        with guest.domain() as domain:
            domain.snapshotCreateXML(SNAPSHOT)
            relabel(domain, app="web", watch="closely")
            daemon.wait(lambda: "watch" in case.now().get("labels", ()), "its labels are seen")
            domain.save(SAVED)
        guest.close()
        with host.connection() as connection:
            connection.restore(SAVED)
        yield case
        daemon.stop(expected=None)
    for each in list(host.guests):
        with host.connection() as connection:
            domain = connection.lookupByUUIDString(each.uuid)
            if domain.isActive():
                domain.destroy()
            domain.undefineFlags(EVERYTHING)
        each.close()
        host.guests.remove(each)


@pytest.fixture
def case(watched):
    watched.begin()
    watched.guest.close()
    return watched


def relabel(domain, **labels):
    """Set a guest's labels, as its administrator does."""
    inner = "".join(LABEL.format(key, value) for key, value in labels.items())
    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        LABELLED.format(inner),
        "trustd",
        "urn:trustd:guest:1",
        libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    )


def play(case: Case, act: Callable[[libvirt.virDomain], object]) -> None:
    with case.guest.domain() as domain:
        act(domain)


def test_a_snapshot_of_better_days(case):
    """Going back to a snapshot brings back neither trust nor limits of then, and is a finding; so
    is that the labels are those of then."""
    play(case, lambda domain: domain.revertToSnapshot(domain.snapshotLookupByName("good")))
    case.judge("snapshot-revert", "labels-reverted")


def test_an_old_saved_state(case):
    """A state that was saved in better days does not restore what trustd knew then, and is told
    from the one in which the guest stopped."""
    case.guest.destroy()
    with case.host.connection() as connection:
        connection.restore(SAVED)
    case.judge("old-state-restored")


def test_a_managed_save(case):
    """Saving and starting again gives nothing back."""

    def act(domain):
        domain.managedSave()
        domain.create()

    play(case, act)
    case.judge("restored-from-save")


def test_destroy_and_start(case):
    """A new run is limited as the one before, though live limits end with a run."""
    case.guest.destroy()
    case.guest.start()
    case.judge()


def test_a_new_name(case):
    """A guest is its UUID: under another name it is the same, though libvirt undefines it for a
    moment."""

    def act(domain):
        for snapshot in domain.listAllSnapshots():
            snapshot.delete()
        domain.destroy()
        domain.rename("innocent")
        domain.create()

    play(case, act)
    case.judge("renamed")
    assert case.now()["name"] == "innocent"


def listed(case):
    """The guests that trustd sees."""
    return {each["id"] for each in case.daemon.get("/v1/guests")["guests"]}


def test_undefine_and_define(case):
    """A guest that is defined anew under its UUID is the one that it was."""

    def act(domain):
        definition = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        domain.destroy()
        domain.undefineFlags(EVERYTHING)
        case.daemon.wait(
            lambda: case.guest.uuid not in listed(case), "its end is seen", seconds=LONG
        )
        domain.connect().defineXML(definition).create()

    play(case, act)
    case.judge("redefined")


def test_a_restart_of_libvirtd(case):
    """Limits that somebody takes off while trustd hears nothing are back as soon as it does."""
    before = case.limit()
    case.daemon.signal(signal.SIGSTOP)
    try:
        case.host.restart_libvirtd()
        play(case, lambda domain: domain.setBlockIoTune("vda", {"write_bytes_sec": 0}, 1))
        assert case.limit() == 0
    finally:
        case.daemon.signal(signal.SIGCONT)
        # nsenter stopped with it
        os.kill(case.daemon._process.pid, signal.SIGCONT)
    if case.ledger:
        case.judge()
        assert case.limit() <= before
        return
    first = case.now()["tick"]
    case.daemon.wait(lambda: case.now()["tick"] >= first + 2 * HELD, "ticks go by")
    assert case.limit() == 0
    case.daemon.stop()
    case.daemon.start()


def test_a_restart_of_trustd(case):
    """trustd itself forgets nothing when it stops, with limits given back or without."""
    case.daemon.stop()
    assert case.limit() == 0
    case.daemon.start()
    case.judge()


def replaced(case, disk):
    """Destroy and undefine the guest; another one under a new UUID, on a disk."""
    case.guest.destroy()
    old = case.guest
    case.guest = case.host._define(
        GuestSpec(f"heir-{uuid.uuid4().hex[:4]}", labels={"app": "web"}, disks=(disk,))
    )
    play_old(case, old)
    case.guest.start()


def play_old(case, guest):
    with guest.domain() as domain:
        domain.undefineFlags(EVERYTHING)
    case.host.guests.remove(guest)


def test_a_new_uuid_on_its_disk(case):
    """The same disk under another UUID is the same guest: its trust, its findings, its limits."""
    replaced(case, Disk(path=case.guest.spec.disk_path(0)))
    case.judge("disk-of-distrusted-guest")


def test_a_new_uuid_on_an_overlay_of_its_disk(case):
    """An image on top of its disk, made for a new guest, is its disk."""
    below = case.guest.spec.disk_path(0)
    overlay = f"/var/lib/libvirt/images/overlay-{case.ledger}.qcow2"
    case.host.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below, overlay)
    replaced(case, Disk(path=overlay))
    case.judge("disk-of-distrusted-guest")


def test_one_that_took_nothing_over_is_a_newcomer(watched):
    """The other guests pay nothing: a new one on a disk of its own is trusted as ever."""
    with watched.host.guest(GuestSpec("bystander", labels={"app": "web"})) as other:
        found = watched.daemon.wait_guest(
            other.uuid, lambda now: now["freshness"] == "fresh", "is measured", seconds=LONG
        )
        assert found["band"] == "trusted"
        assert not found["findings"]
