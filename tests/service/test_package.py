"""The Debian package from its installation to its purge."""

from __future__ import annotations

import re
import subprocess

import libvirt
import pytest

from tests.lab.spec import GuestSpec
from tests.lab.systemd import Booted
from tests.lab.waiting import wait_until
from tests.service.host import (
    POLICY,
    SETTINGS,
    UNIT,
    drop_in,
    edit,
    install_enforcing,
    main_pid,
    trustctl,
    wait_ready,
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

REMOVAL = f"/run/systemd/system/{UNIT}.d/removal.conf"
STATE, MOVED = "/var/lib/trustd", "/var/lib/moved"
LIBVIRT = ("libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "libvirtd.service")


@pytest.fixture(scope="module")
def newer(package, tmp_path_factory, shared):
    """The same package with a higher version."""
    tree = tmp_path_factory.mktemp("newer") / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN/control"
    text = control.read_text("utf-8")
    assert "-1\n" in text
    control.write_text(text.replace("-1\n", "-2\n", 1), "utf-8")
    made = shared / "newer.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--build", tree, made], check=True)
    return made


def state(guest):
    """What the policy takes from a guest; libvirt writes the rest anew when it is restarted."""
    with guest.domain() as domain:
        text = domain.XMLDesc(0)
        return (
            domain.blockIoTune("vda", libvirt.VIR_DOMAIN_AFFECT_LIVE),
            domain.schedulerParametersFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE),
            re.findall("<(?:link|filterref|bandwidth|port) [^>]*>", text),
        )


@pytest.fixture
def host(shared):
    """A host on which trustd never was."""
    with Booted("package", shared=[shared]) as booted:
        yield booted


def test_from_installation_to_purge(host, package, newer):
    """An upgrade keeps state and settings; removing gives back or says so; purging leaves none.

    Settings and policy are for root and trustd's group. Where the state is, is a setting.
    """
    (guest,) = host.start(GuestSpec("web-1"))
    before = state(guest)
    install_enforcing(host, package)
    settings_are_private(host)
    words = ("--band", "isolated", "--for", "2h", "--reason", "lab")
    trustctl(host, "override", "web-1", *words)
    wait_until(
        lambda: trustctl(host, "status")["guests"]["restricted"] == 1,
        "the guest is narrowed",
        seconds=120,
    )
    wait_until(lambda: state(guest) != before, "that shows in libvirt", seconds=60)

    first = main_pid(host)
    upgrade_from_open_settings(host, newer)
    assert main_pid(host) not in {0, first}
    assert "mode: enforce" in host.path(POLICY).read_text("utf-8")
    assert wait_ready(host)["orders"]["overrides"] == 1
    assert state(guest) != before
    host.run("trustctl", "audit", "verify")

    # removed while the hypervisor is away: it cannot give back, and says so
    host.systemctl("mask", "--runtime", "--now", *LIBVIRT)
    told = host.run("dpkg", "--remove", "trustd").stderr
    assert "guests stay narrowed" in told
    assert guest.uuid in told
    host.systemctl("unmask", "--runtime", *LIBVIRT)
    host.systemctl("start", *LIBVIRT)
    assert state(guest) != before
    assert host.path("/var/lib/trustd/trustd.db").exists()
    assert host.path(SETTINGS).exists()
    assert host.systemctl("cat", UNIT, check=False).returncode != 0

    # installed again, after a removal that was killed, it takes over what it left
    host.path(REMOVAL).parent.mkdir(parents=True, exist_ok=True)
    host.path(REMOVAL).write_text("[Service]\nEnvironment=TRUSTD_ON_STOP=restore\n", "utf-8")
    install_with_open_settings(host, newer)
    assert wait_ready(host)["orders"]["overrides"] == 1
    assert "TRUSTD_ON_STOP" not in host.property(UNIT, "Environment")

    # removed it gives back, also where its state was moved
    host.systemctl("stop", "trustd.socket", UNIT)
    host.run("mv", STATE, MOVED)
    edit(host, SETTINGS, "on_stop: keep", f"on_stop: keep\nstate: {MOVED}")
    with drop_in(host, f"ReadWritePaths={MOVED}"):
        host.systemctl("start", "trustd.socket", UNIT)
        assert wait_ready(host)["orders"]["overrides"] == 1
        assert state(guest) != before
        told = host.run("dpkg", "--remove", "trustd").stderr
    assert "narrowed" not in told
    assert state(guest) == before
    assert not host.path(REMOVAL).exists()
    host.run("rm", "-r", STATE)
    host.run("mv", MOVED, STATE)

    host.run("dpkg", "--purge", "trustd")
    assert host.run("id", "trustd").stdout
    assert left_of(host) == ["/etc/systemd/system/trustd.service.d", "/etc/sysusers.d"]


def upgrade_from_open_settings(host, newer):
    """An earlier package left settings and policy to everybody."""
    host.run("chgrp", "root", "/etc/trustd")
    host.run("chmod", "755", "/etc/trustd")
    host.run("dpkg", "--install", newer)
    settings_are_private(host)


def install_with_open_settings(host, newer):
    """Whoever wants everybody to read them has said so to dpkg."""
    host.run("dpkg-statoverride", "--update", "--add", "root", "root", "755", "/etc/trustd")
    host.run("dpkg", "--install", newer)
    assert host.run("stat", "--format", "%U %G %a", "/etc/trustd").stdout == "root root 755\n"
    host.run("dpkg-statoverride", "--remove", "/etc/trustd")


def settings_are_private(host):
    """Whoever is in trustd's group reads them, as polkitd's rules do, and nobody else."""
    about = host.run("stat", "--format", "%U %G %a", "/etc/trustd").stdout
    assert about == "root trustd 750\n"
    assert host.run("runuser", "-u", "nobody", "--", "cat", SETTINGS, check=False).returncode != 0
    # with the groups of the user database, as polkitd takes them before its rules ask
    assert host.run("runuser", "-u", "polkitd", "--", "cat", "/etc/trustd/hook.conf").stdout


def left_of(host):
    """The directories in which something of trustd's is, or which are."""
    words = ("find", "/etc", "/usr", "/var/lib", "/run", "-xdev", "-name", "*trustd*")
    found = host.run(*words, "-not", "-path", "/run/credentials/*").stdout.splitlines()
    parents = {each if each.endswith(".d") else each.rpartition("/")[0] for each in found}
    return sorted(parents)
