"""The lab runs where there is little: in a plain chroot, with nothing of /sys mounted."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.namespaces import PROJECT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

# A directory, not a mount, with what a bare Debian has; in a mount namespace that goes with it.
BARE = """
set -eu
cd "$1"
shift
mkdir -p proc sys dev run tmp var/tmp var/lib var/log var/cache
ln -s /run var/run
for link in bin sbin lib lib64; do [ ! -L /$link ] || cp -a /$link .; done
for path in /usr /etc /boot /dev "$@"; do
    mkdir -p ".$path"
    mount --rbind "$path" ".$path"
done
mount -t proc proc proc
exec chroot . env HOME=/tmp "$python" -c "$program"
"""

PROGRAM = f"""
import os, sys
os.chdir({str(PROJECT)!r})
sys.path.insert(0, "")
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
with Hypervisor() as hypervisor:
    guest, = hypervisor.start(GuestSpec("bare", channel=False))
    with guest.domain() as domain:
        domain.setSchedulerParametersFlags({{"vcpu_quota": 5000}})
    names = hypervisor.run("virsh", "list", "--name").stdout
    print(names.strip(), sorted(os.listdir("/sys")))
"""


def test_a_plain_chroot_will_do(tmp_path: Path) -> None:
    """A hypervisor and a guest with a CPU quota start in a directory that is only chrooted to."""
    tmp_path.chmod(0o755)  # it becomes "/", for QEMU's user too
    needed = dict.fromkeys([str(PROJECT), sys.prefix, sys.base_prefix])
    shown = [path for path in needed if not path.startswith("/usr")]
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", BARE, "sh", str(tmp_path), *shown],
        env={"PATH": "/usr/sbin:/usr/bin", "python": sys.executable, "program": PROGRAM},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "bare []\n", ended.stderr
