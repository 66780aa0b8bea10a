"""Traffic shaping for the lab's libvirt on a kernel that lacks some of its parts.

libvirt limits a network interface by calls of ``tc`` that need the queue ``sfq``, the classifier
``fw`` and the action ``police``. Where this machine's kernel has none of them, a program of the
same name, in that hypervisor's own mount namespace only, asks for what it has instead: a plain
queue for the first, and for the last a bucket behind a redirection. libvirt, QEMU, the limits
and what a guest feels of them are real; the exact shape of the traffic is not the usual one.
"""

import shutil

from tests.lab.hypervisor import Hypervisor

_SHIM = """#!/bin/sh
# tc filter add dev TAP parent ffff: ... police rate RATE burst BURST ...
real=/run/lab/tc.real
case " $* " in
*" sfq "*)
    exec $real $(echo "$*" | sed "s/ sfq .*/ pfifo limit 127/")
    ;;
*" fw flowid "*)
    exit 0 # the queue has a default class, and the filter would choose no other
    ;;
*" police "*)
    tap=$4
    rate=$(echo "$*" | sed "s/.* rate \\([^ ]*\\).*/\\1/")
    burst=$(echo "$*" | sed "s/.* burst \\([^ ]*\\).*/\\1/")
    ip link add "i-$tap" type ifb || exit 2
    ip link set "i-$tap" up
    $real qdisc add dev "i-$tap" root tbf rate "$rate" burst "$burst" latency 50ms || exit 2
    exec $real filter add dev "$tap" parent ffff: protocol all u32 match u32 0 0 \\
        action mirred egress redirect dev "i-$tap"
    ;;
*" del dev "*" ingress "*)
    ip link del "i-$4" 2>/dev/null
    exec $real "$@"
    ;;
esac
exec $real "$@"
"""


def supply(hypervisor: Hypervisor) -> None:
    """Let this hypervisor's libvirt find a ``tc`` that the kernel can follow."""
    program = shutil.which("tc")
    assert program is not None
    shim = hypervisor.path("/run/lab/tc")
    shutil.copy(program, hypervisor.path("/run/lab/tc.real"))
    shim.write_text(_SHIM, "utf-8")
    shim.chmod(0o755)
    hypervisor.run("mount", "--bind", "/run/lab/tc", program)
