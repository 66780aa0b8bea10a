"""What the lab needs of the machine, and how to say what is not there.

``python -m tests.lab.requirements`` says it and fails, or says nothing. It needs no package.
"""

import os
import shutil
import subprocess
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.image import newest_kernel

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The command that shows that a Debian package is there.
PACKAGES = {
    "libvirt-daemon-system": "libvirtd",
    "libvirt-clients": "virsh",
    "qemu-system-x86": "qemu-system-x86_64",
    "qemu-utils": "qemu-img",
    "nbdkit": "nbdkit",
    "busybox-static": "busybox",
    "cpio": "cpio",
    "dnsmasq-base": "dnsmasq",
    "iproute2": "ip",
    "iptables": "iptables",
    "ebtables": "ebtables",
    "util-linux": "setpriv",
    "procps": "pgrep",
    "socat": "socat",
    "dbus-daemon": "dbus-daemon",
    "polkitd": "pkcheck",
    "bash": "bash",
}


def missing(path: str = PATH) -> list[str]:
    """Return what the lab lacks here, a line each; nothing if it can run."""
    lacking = [
        f"the package {package} (no command {command})"
        for package, command in PACKAGES.items()
        if shutil.which(command, path=path) is None
    ]
    try:
        newest_kernel()
    except LabError:
        lacking.append(
            "the package linux-image-cloud-amd64 (no /boot/vmlinuz-*cloud-amd64 with its modules)"
        )
    if not Path("/dev/net/tun").exists():
        lacking.append("/dev/net/tun (modprobe tun, or give the container that device)")
    if os.geteuid() != 0:
        lacking.append("the rights of root (run it as root)")
    elif not _may_unshare():
        lacking.append("the right to make namespaces (a container must run privileged)")
    return lacking


def explain(lacking: list[str]) -> str:
    """Say in full what is lacking and what to do.

    >>> print(explain(["the package cpio (no command cpio)", "the rights of root"]))
    the lab of real hypervisors cannot run here; it lacks
      - the package cpio (no command cpio)
      - the rights of root
    install: apt-get install --no-install-recommends cpio
    or skip its tests knowingly: TRUSTD_LAB=skip
    """
    packages = [line.split()[2] for line in lacking if line.startswith("the package ")]
    lines = ["the lab of real hypervisors cannot run here; it lacks"]
    lines += [f"  - {line}" for line in lacking]
    if packages:
        lines.append(f"install: apt-get install --no-install-recommends {' '.join(packages)}")
    lines.append("or skip its tests knowingly: TRUSTD_LAB=skip")
    return "\n".join(lines)


def require() -> None:
    """Raise LabError with the full explanation if the lab cannot run here."""
    lacking = missing()
    if lacking:
        raise LabError(explain(lacking))


def main() -> None:
    """Print what is lacking; for a Makefile, whose recipe ends there."""
    try:
        require()
    except LabError as error:
        raise SystemExit(str(error)) from None


def _may_unshare() -> bool:
    kinds = ["--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup"]
    trial = ["unshare", "--fork", *kinds, "--propagation", "unchanged", "true"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    main()
