# Sourced by inside.sh, which it replaces: systemd as the first process, with libvirt as units.
#
# It starts what the tests need and nothing else: whatever else this machine's packages would
# start is masked, above all what would speak to the kernel, which is the machine's own.

wanted="basic.target sysinit.target sockets.target systemd-journald.service systemd-journald.socket
systemd-journald-dev-log.socket systemd-journal-flush.service systemd-sysusers.service
systemd-tmpfiles-setup.service dbus.service dbus.socket polkit.service"

units=/etc/systemd/system
rm -rf $units/*.wants $units/dbus-org.freedesktop.*
for each in /lib/systemd/system/sysinit.target.wants/* /lib/systemd/system/sockets.target.wants/* \
    /lib/systemd/system/multi-user.target.wants/* /lib/systemd/system/timers.target.wants/* \
    /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/basic.target.wants/* \
    /lib/systemd/system/systemd-logind.service /lib/systemd/system/systemd-machined.service \
    /lib/systemd/system/systemd-networkd.service; do
    unit=${each##*/}
    case " $(echo $wanted) " in
        *" $unit "*) ;;
        *) ln -sf /dev/null "$units/$unit" ;;
    esac
done
# libvirt would have guests registered with what is masked, where the bus offers to start it
rm -f /usr/share/dbus-1/system-services/org.freedesktop.machine1.service \
    /usr/share/dbus-1/system-services/org.freedesktop.login1.service
rm -f /usr/sbin/policy-rc.d # inside, packages may start what they bring
# nobody empties /tmp, where paths of the outside are mounted
ln -sf /dev/null /etc/tmpfiles.d/tmp.conf
: >/etc/fstab
hostname >/etc/hostname
systemctl --root=/ enable libvirtd.service >/dev/null 2>&1
# as socket activation has it, libvirtd ends when nobody asked anything for a while
echo 'LIBVIRTD_ARGS=' >/etc/default/libvirtd
mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' >/etc/systemd/journald.conf.d/lab.conf
rm -f /etc/machine-id
systemd-machine-id-setup >/dev/null 2>&1

# Somebody must hold the pipe to the keeper, which takes its end for the end of all.
sleep infinity &
echo ready
exec env -i PATH="$PATH" container=lab /lib/systemd/systemd --system --unit=multi-user.target \
    --log-level=info --log-target=journal </dev/null >/run/lab/systemd.log 2>&1
