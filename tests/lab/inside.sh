#!/bin/sh
# The first process of a hypervisor's namespaces: makes the mounts private, starts libvirt, reaps.
#
#   inside.sh join UUID NAME SHARED CGROUP...   entered by keeper.py through unshare(1)
#   inside.sh boot UUID NAME SHARED             the same process, once it has a cgroup namespace
#
# SHARED is a file that lists the paths which stay visible inside, one a line. On standard
# output: "pid N" (our process id as the outside sees it), then "ready".
# With LAB_INIT=systemd in the environment this process goes on as systemd (systemd.sh).
set -eu

stage=$1 uuid=$2 name=$3 shared=$4
shift 4
inside=$(dirname "$(readlink -f "$0")")

# Each CGROUP becomes the root of the hierarchy that this hypervisor sees.
join() {
    for cgroup; do
        echo 0 >"$cgroup/cgroup.procs"
    done
    exec unshare --cgroup -- sh "$inside/inside.sh" boot "$uuid" "$name" "$shared"
}

# What a package installs over the machine's /usr is gone with these namespaces; what dpkg knows
# is known inside as well.
packages() {
    cp -a /var/lib/dpkg /sys/dpkg
    mkdir /sys/usr /sys/usr/upper /sys/usr/work
    mount -t overlay -o lowerdir=/usr,upperdir=/sys/usr/upper,workdir=/sys/usr/work lab /usr
}

# keeper.py left a tmpfs on /sys, with one directory for each cgroup hierarchy. It also carries
# the shared paths over the moment in which /tmp and its like are replaced.
mounts() {
    mkdir /sys/kept
    count=0
    while read -r path; do
        mkdir "/sys/kept/$count"
        mount --bind "$path" "/sys/kept/$count"
        count=$((count + 1))
    done <"$shared"

    [ -z "${LAB_INIT:-}" ] || packages
    cp -a /etc /sys/etc
    for path in /run /tmp /var/tmp /var/lib /var/log /var/cache; do
        mount -t tmpfs -o mode=0755 lab "$path"
    done
    [ ! -d /sys/dpkg ] || cp -a /sys/dpkg /var/lib/dpkg
    chmod 1777 /tmp /var/tmp
    mount -t tmpfs -o mode=0755 lab /etc
    cp -a /sys/etc/. /etc

    mkdir /sys/dev
    (cd /dev && cp -a --parents null zero full random urandom tty net/tun /sys/dev)
    count=0
    while read -r path; do
        mkdir -p "$path"
        mount --move "/sys/kept/$count" "$path"
        count=$((count + 1))
    done <"$shared"

    # The devices that everybody has, and no others. Above all no /dev/kvm: guests are emulated
    # everywhere, and one that is there but does not work makes libvirt ask QEMU for its
    # capabilities anew at every turn.
    while mountpoint -q /dev; do umount --recursive --lazy /dev; done
    mount -t tmpfs -o mode=0755 lab /dev
    cp -a /sys/dev/. /dev
    mkdir /dev/pts /dev/shm
    mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 lab /dev/pts
    mount -t tmpfs -o mode=1777 lab /dev/shm
    ln -s pts/ptmx /dev/ptmx
    ln -s /proc/self/fd /dev/fd

    hierarchies=$(cd /sys/cgroup && ls)
    umount -R /sys
    mount -t sysfs sysfs /sys
    mount -t proc proc /proc
    mount -t tmpfs -o mode=0755 lab /sys/fs/cgroup
    for hierarchy in $hierarchies; do
        if [ "$hierarchies" = unified ]; then
            mount -t cgroup2 cgroup2 /sys/fs/cgroup
        elif [ "$hierarchy" = unified ]; then # systemd's beside those of v1
            mkdir /sys/fs/cgroup/unified
            mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
        elif [ "$hierarchy" = name=systemd ]; then
            mkdir /sys/fs/cgroup/systemd
            mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
        else
            mkdir "/sys/fs/cgroup/$hierarchy"
            mount -t cgroup -o "$hierarchy" cgroup "/sys/fs/cgroup/$hierarchy"
        fi
    done
}

# In a unified hierarchy a group with processes cannot give its controllers to children: ours go
# into a leaf, and "machine", where libvirt puts guests, is the leaf's sibling.
leaf() {
    [ -e /sys/fs/cgroup/cgroup.controllers ] || return 0
    mkdir /sys/fs/cgroup/lab
    echo 0 >/sys/fs/cgroup/lab/cgroup.procs
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || :
    done
}

configure() {
    mkdir -p /var/log/libvirt /var/lib/libvirt/images /var/lib/libvirt/dnsmasq /var/cache/libvirt \
        /run/lab /run/lock
    chmod 0711 /var/lib/libvirt/images
    hostname "$name"
    echo "127.0.1.1 $name" >>/etc/hosts
    : >/etc/resolv.conf # nobody answers in here, and waiting for it costs seconds
    {
        echo "host_uuid = \"$uuid\""
        echo 'log_outputs = "3:file:/var/log/libvirt/libvirtd.log"'
    } >>/etc/libvirt/libvirtd.conf
    # Profiles of AppArmor or SELinux speak of the machine's paths, not of these.
    echo 'security_driver = "none"' >>/etc/libvirt/qemu.conf
    rm -rf /etc/libvirt/qemu/networks
    mkdir -p /etc/libvirt/qemu/networks/autostart
    cp "$inside/network.xml" /etc/libvirt/qemu/networks/default.xml
    ln -s ../default.xml /etc/libvirt/qemu/networks/autostart/default.xml
}

# Runs the rest of its line in this hypervisor's own cgroup (nsenter joins namespaces only).
enter() {
    cat <<'SCRIPT' >/run/lab/enter
#!/bin/sh
for procs in /sys/fs/cgroup/lab/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
    case $procs in */\**|*/machine/*|*/machine.slice/*) continue ;; esac
    [ ! -e "$procs" ] || echo 0 >"$procs"
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || break
done
exec "$@"
SCRIPT
    chmod 0755 /run/lab/enter
}

boot() {
    trap 'cat /var/log/libvirt/libvirtd.log >&2' EXIT # what is wrong, if it comes to that
    mounts
    [ -n "${LAB_INIT:-}" ] || leaf
    configure
    enter
    ip link set lo up
    # Traffic to 192.0.2.0/24 (a network for documentation) ends here without an answer, so a
    # guest's flood costs nobody else anything.
    ip route add blackhole 192.0.2.0/24
    if [ "${LAB_INIT:-}" = systemd ]; then
        trap - EXIT
        . "$inside/systemd.sh"
    fi
    virtlogd -d
    virtlockd -d
    libvirtd -d
    virsh -q -c qemu:///system net-list >/dev/null
    echo ready
    # As the first process of its process namespace the shell reaps what others leave behind.
    while :; do sleep 86400; done
}

case $stage in
    join)
        read -r pid rest </proc/self/stat
        echo "pid $pid"
        join "$@"
        ;;
    boot) boot ;;
esac
