"""The doors to a distrusted guest, with a real polkitd and libvirtd asking it."""

from __future__ import annotations

import pwd
from contextlib import ExitStack

import pytest

from tests.admission.client import CLIENT
from tests.admission.conftest import POLICY, entries, freeze, set_to, thaw
from tests.lab.daemon import SOCKET, Daemon
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import Disk, GuestSpec
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.lab

RULES = CLIENT.parents[1] / "polkit/50-trustd.rules"
ASK = "/etc/trustd/trustd-admission"
POLKIT = 5.0
"""Seconds without an answer; polkit itself waits for 10."""
GUESTS = {"suspect": {"app": "suspect"}, "web": {}, "spare": {}}
OPERATOR = "games"
"""A user of the machine's who may do everything with guests that trustd does not close."""
GRANT = """
polkit.addRule(function (action, subject) {
    if (action.id.indexOf("org.libvirt.") === 0 && subject.user === "%s") {
        return polkit.Result.YES;
    }
});
"""


@pytest.fixture(scope="module")
def guarded(shared):
    """A hypervisor with a system bus and polkit, whose libvirtd asks polkit for every call."""
    with Hypervisor("polkit", shared=[shared]) as host, ExitStack() as ends:
        host.path("/run/dbus").mkdir()
        ends.callback(ended, host.popen("dbus-daemon", "--system", "--nofork", "--nopidfile"))
        wait_until(host.path("/run/dbus/system_bus_socket").exists, "the bus is up", seconds=60)
        folder = host.path("/etc/polkit-1/rules.d")
        shipped = RULES.read_text("utf-8")
        assert shipped.count('"/usr/local/lib/trustd/trustd-admission"') == 1
        # /usr is the machine's own
        text = shipped.replace("/usr/local/lib/trustd/trustd-admission", ASK)
        (folder / RULES.name).write_text(text, "utf-8")
        (folder / "60-lab.rules").write_text(GRANT % OPERATOR, "utf-8")
        program = host.path(ASK)
        program.parent.mkdir()
        program.write_bytes(CLIENT.read_bytes())
        program.chmod(0o755)
        set_to(host, "closed")
        # the group in which polkitd reaches trustd's socket
        host.run("groupadd", "--system", "trustd-lab")
        host.run("usermod", "-aG", "trustd-lab", "polkitd")
        ends.callback(ended, host.popen("/usr/lib/polkit-1/polkitd", "--no-debug"))
        wait_until(lambda: answers(host), "polkit answers", seconds=60)
        for name, labels in GUESTS.items():
            small = {"channel": False, "nics": 0, "disks": (Disk(),), "memory": 64 << 20}
            host.define(GuestSpec(name, labels={"client": "red"} | labels, **small)).start()
        # from here on only what runs inside may ask libvirtd: polkit wants to see the process
        with host.path("/etc/libvirt/libvirtd.conf").open("a", encoding="utf-8") as settings:
            settings.write('access_drivers = ["polkit"]\nauth_unix_rw = "polkit"\n')
            settings.write('unix_sock_rw_perms = "0777"\n')
        # killed: it does not always end by itself once the bus is there
        host.restart_libvirtd(kill=True)
        yield host


def answers(host):
    """Whether polkit is on the bus; asking for its version would start another one."""
    names = ("--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner")
    polkit = "string:org.freedesktop.PolicyKit1"
    asked = ("dbus-send", "--system", "--print-reply=literal", *names, polkit)
    return "true" in host.run(*asked).stdout


def ended(process):
    process.terminate()
    process.wait(60)


@pytest.fixture
def daemon(guarded):
    with Daemon(guarded, POLICY) as running:
        guarded.run("chgrp", "trustd-lab", SOCKET, "/run/trustd")
        guarded.run("chmod", "0660", SOCKET)
        guarded.run("chmod", "0750", "/run/trustd")
        set_to(guarded, "closed")
        for name in ("suspect", "spare"):
            running.wait(lambda name=name: "summary" in running.get(f"/v1/guests/{name}"), name)
        yield running
        set_to(guarded, "open")


def virsh(host, *arguments, user=OPERATOR):
    """What virsh comes to for a user of no rights."""
    number = pwd.getpwnam(user).pw_uid
    enter = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"]
    return host.run(*enter, "virsh", "-q", "-c", "qemu:///system", *arguments, check=False)


DOORS = (
    ("snapshot-create", "{}"),
    ("save", "{}", "/var/lib/libvirt/images/saved"),
    ("managedsave", "{}"),
    ("migrate", "--live", "--p2p", "{}", "qemu+unix:///system?socket=/nowhere"),
    ("desc", "{}", "--live", "changed"),
    ("undefine", "{}", "--snapshots-metadata", "--managed-save"),
)


def test_the_doors_of_a_distrusted_guest_are_closed(daemon, guarded):
    """Snapshot, save, migration, change and removal of a guest whose band says manage: false are
    refused to a client that may do all of it to another; what launders nothing stays open."""
    suspect, web = guarded.guests[0].uuid, guarded.guests[1].uuid
    for door in DOORS:
        told = virsh(guarded, *(each.format(suspect) for each in door))
        assert told.returncode != 0, door
        assert "access denied" in told.stderr, (door, told.stderr)
    assert virsh(guarded, "dominfo", suspect).returncode == 0
    assert virsh(guarded, "suspend", suspect).returncode == 0
    assert virsh(guarded, "destroy", suspect).returncode == 0
    for door in DOORS:
        told = virsh(guarded, *(each.format(web) for each in door))
        assert "access denied" not in told.stderr, (door, told.stderr)

    def asked():
        return [each for each in entries(daemon) if each["operation"] == "manage"]

    expected = {"snapshot", "hibernate", "migrate", "write"}
    daemon.wait(lambda: {each["action"] for each in asked()} >= expected, "they are journalled")
    assert {each["guest"] for each in asked()} == {suspect}
    assert {each["user"] for each in asked()} == {OPERATOR}


def test_without_trustd_the_setting_counts(daemon, guarded):
    """With trustd frozen or gone the doors of every guest are as the setting says, in time."""
    spare = guarded.guests[2].uuid
    change = ("desc", spare, "--live", "changed")
    set_to(guarded, "closed", POLKIT)
    freeze(daemon)
    try:
        assert "access denied" in virsh(guarded, *change).stderr
        set_to(guarded, "open", POLKIT)
        assert virsh(guarded, *change).returncode == 0
    finally:
        thaw(daemon)
    daemon.stop()
    assert virsh(guarded, *change).returncode == 0
    set_to(guarded, "closed")
    assert "access denied" in virsh(guarded, *change).stderr
    daemon.start()


def test_a_client_that_does_not_run_closes(daemon, guarded):
    """Where the program that asks is gone, the doors are closed: nothing fails open unsaid."""
    spare = guarded.guests[2].uuid
    program, away = guarded.path(ASK), guarded.path(f"{ASK}.away")
    change = ("desc", spare, "--live", "changed")
    assert virsh(guarded, *change).returncode == 0
    program.rename(away)
    try:
        assert "access denied" in virsh(guarded, *change).stderr
    finally:
        away.rename(program)
