#!/usr/bin/env bash
# Prepares a machine for one of trustd's make targets, and says what it does.
#
#   tools/setup.sh demo|test|check|bench|docs|deb
#
# Debian packages are installed when this runs as root; otherwise they are named.
# Python packages go into .venv, pinned by hash. A second run finds all in place.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?"which target: demo, test, check, bench, docs or deb"}

build_packages="python3-venv python3-dev gcc libc6-dev pkg-config libvirt-dev"
lab_packages="libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils nbdkit
  linux-image-cloud-amd64 busybox-static cpio dnsmasq-base iproute2 iptables nftables
  ebtables socat util-linux procps kmod dbus-daemon polkitd"
case $target in
demo) packages="$build_packages $lab_packages" locks="run" ;;
test) packages="$build_packages $lab_packages prometheus prometheus-alertmanager systemd
  nginx-light chromium groff-base zsh fish dbus dpkg-dev" locks="run dev" ;;
deb) packages="$build_packages dpkg-dev" locks="run" ;;
bench) packages="$build_packages $lab_packages prometheus" locks="run dev bench" ;;
check) packages="$build_packages prometheus prometheus-alertmanager systemd nginx-light chromium
  groff-base zsh fish" locks="run dev" ;;
docs) packages="$build_packages" locks="run dev" ;;
*) echo "tools/setup.sh: unknown target '$target'" >&2 && exit 2 ;;
esac

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

missing_packages() {
  local package
  for package in $packages; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      printf '%s ' "$package"
  done
}

# The packages bring services (libvirtd, Prometheus) that nothing here needs running.
refuse_service_starts() {
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
}

install_packages() {
  local missing
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "trustd's tests and demo need Debian 12; this machine has no apt-get. Missing: $missing" >&2
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    echo "These Debian packages are missing. Install them, or run make as root:" >&2
    echo "  sudo apt-get install --no-install-recommends $missing" >&2
    exit 1
  fi
  say "installing Debian packages: $missing"
  refuse_service_starts
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing |
    sed -un 's/^\(Get:\|Unpacking\|Setting up\)/    \1/p'
}

install_python() {
  local lock stamp
  if [ ! -x .venv/bin/python ]; then
    say "creating the virtual environment .venv"
    python3 -m venv .venv
  fi
  # The build tools come first: libvirt-python is compiled here with these, not
  # with whatever is newest today.
  for lock in build $locks; do
    stamp=.venv/.installed-$lock-$(sha256sum "requirements/$lock.txt" | cut -c1-16)
    [ -e "$stamp" ] && continue
    say "installing Python packages: requirements/$lock.txt"
    .venv/bin/python -m pip install --disable-pip-version-check --require-hashes \
      --no-build-isolation -r "requirements/$lock.txt" |
      sed -un 's/^\(Collecting\|Installing\|  Building\|Building\)/    \1/p'
    touch "$stamp"
  done
  stamp=.venv/.installed-project-$(sha256sum pyproject.toml | cut -c1-16)
  if [ ! -e "$stamp" ]; then
    say "installing trustd itself"
    .venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps \
      --no-build-isolation --editable .
    touch "$stamp"
  fi
}

install_packages
install_python
