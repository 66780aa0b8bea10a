#!/usr/bin/env bash
# Builds the Debian package into build/deb, for the Python and the architecture of this machine.
#
#   tools/deb.sh [REVISION]     REVISION is 1 where it is not given: trustd_0.1.0-1_amd64.deb
#
# The dependencies come out of .venv, where tools/setup.sh installed them by hash; tools/pinned.py
# sees that they are those of the lock, unchanged. So it needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022

command -v dpkg-shlibdeps >/dev/null || {
  echo "tools/deb.sh needs dpkg-shlibdeps: apt-get install dpkg-dev" >&2
  exit 1
}
revision=${1:-1}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)-$revision
architecture=$(dpkg --print-architecture)
python=python$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# dpkg-deb takes it for every file that is newer, so that two builds of one commit are equal
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

work=build/deb/work-$revision
root=$work/root
rm -rf "$work"
mkdir -p "$root/DEBIAN" "$work/debian"

# The environment: trustd's own, as a package named "collectors" is to meet no others.
environment() {
  local home=/usr/lib/trustd site
  site=$root$home/lib/$python/site-packages
  mkdir -p "$root$home/bin" "$site"
  ln -s "/usr/bin/$python" "$root$home/bin/$python"
  ln -s "$python" "$root$home/bin/python3"
  ln -s "$python" "$root$home/bin/python"
  printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$root$home/pyvenv.cfg"

  .venv/bin/python tools/pinned.py requirements/run.txt "$site"
  .venv/bin/python -m pip wheel --disable-pip-version-check --quiet --no-deps --no-index \
    --no-build-isolation --wheel-dir "$work" .
  .venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-index \
    --no-compile --root-user-action ignore --target "$site" "$work"/trustd-*.whl
  rm -rf "$site/bin" "$site"/trustd-*.dist-info/direct_url.json
  find "$site/numpy" -type d -name tests -prune -exec rm -rf {} +
  # compiled here, since nothing can be where it runs; by content, so that two builds are equal
  "/usr/bin/$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -s "$root" -p / "$site"
  command_of trustd trustd.daemon
  command_of trustctl trustd.ctl
}

# COMMAND MODULE: what runs a module of that environment and looks at nothing of its caller's.
command_of() {
  printf '#!/usr/lib/trustd/bin/python -I\nimport sys\n\nfrom %s import main\n\nsys.exit(main(prog_name="%s"))\n' \
    "$2" "$1" >"$root/usr/lib/trustd/bin/$1"
  chmod 755 "$root/usr/lib/trustd/bin/$1"
  mkdir -p "$root/usr/bin"
  ln -s "../lib/trustd/bin/$1" "$root/usr/bin/$1"
}

# SOURCE TARGET: a file of contrib, with the paths of the package in place of /opt and /usr/local.
place() {
  mkdir -p "$(dirname "$root$2")"
  sed -e 's,/opt/trustd/bin/python,/usr/lib/trustd/bin/python,' -e 's,/opt/trustd/bin/,/usr/bin/,' \
    -e 's,/usr/local/lib/trustd/,/usr/lib/trustd/,' "$1" >"$root$2"
  chmod "$(stat -c %a "$1")" "$root$2"
}

files() {
  local unit page
  for unit in trustd.service trustd.socket trustd-gate@.service; do
    place "contrib/systemd/$unit" "/usr/lib/systemd/system/$unit"
  done
  place contrib/systemd/trustd.sysusers /usr/lib/sysusers.d/trustd.conf
  place contrib/systemd/trustd.catalog /usr/lib/systemd/catalog/trustd.catalog
  place contrib/systemd/trustd-enforce.conf /usr/share/trustd/enforce/enforce.conf
  place contrib/systemd/trustd-enforce.sysusers /usr/share/trustd/enforce/trustd-enforce.conf
  place contrib/polkit/50-trustd.rules /usr/share/polkit-1/rules.d/50-trustd.rules
  place contrib/libvirt/trustd-admission /usr/lib/trustd/trustd-admission
  chmod 755 "$root/usr/lib/trustd/trustd-admission"
  place contrib/libvirt/hook.conf /etc/trustd/hook.conf
  place contrib/debian/trustd.yaml /etc/trustd/trustd.yaml
  for page in policies/*.yaml policies/*.json; do
    place "$page" "/etc/trustd/policies/${page##*/}"
  done
  for page in policies/examples/*.yaml; do
    place "$page" "/usr/share/doc/trustd/examples/policies/${page##*/}"
  done
  for page in contrib/prometheus/trustd.rules.yaml contrib/grafana/trustd.json; do
    place "$page" "/usr/share/trustd/${page#contrib/}"
  done
  # made by other tools of the project, where they were run
  completion bash /usr/share/bash-completion/completions/
  completion zsh /usr/share/zsh/vendor-completions/_
  completion fish /usr/share/fish/vendor_completions.d/
  for page in contrib/man/*.[1-8]; do
    [ -e "$page" ] || continue
    place "$page" "/usr/share/man/man${page##*.}/${page##*/}"
    gzip -9n "$root/usr/share/man/man${page##*.}/${page##*/}"
  done
}

# SHELL PREFIX: completions of trustctl and trustd for one shell, named as that shell wants them.
completion() {
  local name file end
  for name in trustctl trustd; do
    file=contrib/completions/$name.$1
    [ -e "$file" ] || continue
    end=
    [ "$1" != fish ] || end=.fish
    place "$file" "$2$name$end"
  done
}

documents() {
  local folder=$root/usr/share/doc/trustd
  mkdir -p "$folder"
  cp contrib/debian/copyright README.md "$folder"
  {
    printf 'trustd (%s) unstable; urgency=medium\n\n' "$version"
    for fragment in changelog.d/*.*.md; do
      fold -s -w 74 "$fragment" | sed -e '1s/^/  * /' -e '2,$s/^/    /' -e 's/ *$//'
    done
    printf '\n -- trustd <trustd@localhost>  %s\n' "$(date -uRd "@$SOURCE_DATE_EPOCH")"
  } | gzip -9n >"$folder/changelog.Debian.gz"
}

control() {
  local libraries size narrowed
  printf 'Source: trustd\n\nPackage: trustd\nArchitecture: any\n' >"$work/debian/control"
  libraries=$(cd "$work" && find root -name '*.so*' -type f -print0 |
    xargs -0 dpkg-shlibdeps -O --ignore-missing-info 2>/dev/null |
    sed -n 's/^shlibs:Depends=//p')
  size=$(du -sk --apparent-size "$root" | cut -f1)
  sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@PYTHON@/$python/" \
    -e "s/@LIBRARIES@/$libraries/" -e "s/@SIZE@/$size/" contrib/debian/control \
    >"$root/DEBIAN/control"
  (cd "$root" && find etc -type f -printf '/%p\n' | sort) >"$root/DEBIAN/conffiles"
  (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
  install -m 755 contrib/debian/postinst contrib/debian/prerm contrib/debian/postrm "$root/DEBIAN"
  narrowed=$(sed -n 's/.*"guests stay narrowed": "\(.*\)",/\1/p' trustd/daemon/message_ids.py)
  sed -i "s/@NARROWED@/$narrowed/" "$root/DEBIAN/prerm"
}

environment
files
documents
control
dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$root" build/deb >/dev/null
rm -rf "$work"
echo "build/deb/trustd_${version}_$architecture.deb"
