#!/usr/bin/env bash
# Installs what the end-to-end tests use, on a Debian machine, as root. Nothing is left running.
#
#   install.sh           install what is missing (about two minutes and 1 GB from nothing; no work when all is there)
#   install.sh --check   print what is missing, one a line, and exit 1 if anything is
#
# Three parts: Debian's own packages; the `clients` root, a Debian unstable with current container clients, because a
# stable Debian has old ones or none; and `base.tar`, the small root file system that the test images are made from.
# The last two live under FOREBAY_E2E_CACHE (default /var/cache/forebay-e2e). Packages come from the machine's mirror.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${FOREBAY_E2E_CACHE:-/var/cache/forebay-e2e}
clients=$cache/clients
base=$cache/base.tar
log=$cache/install.log
policy=/usr/sbin/policy-rc.d

packages=(docker-registry docker.io nginx skopeo podman containerd debootstrap wrk apache2-utils ca-certificates zstd aria2 libxml2-utils gnupg
  wget2 davix)
units=(docker-registry.service docker.service docker.socket nginx.service containerd.service podman.service podman.socket podman-restart.service
  podman-auto-update.service podman-auto-update.timer)
client_packages=(apptainer squashfs-tools squashfuse skopeo oras crane aria2 wget2 curl)
client_commands=(apptainer mksquashfs squashfuse skopeo oras crane aria2c wget2 curl)

say() { printf 'install: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing_packages() {
  local name
  for name in "${packages[@]}"; do installed "$name" || echo "$name"; done
}

missing_clients() {
  local name
  for name in "${client_commands[@]}"; do [ -x "$clients/usr/bin/$name" ] || echo "clients/$name"; done
}

missing() {
  missing_packages
  missing_clients
  [ -s "$base" ] || echo "base.tar"
}

# The command's output goes to the log; its end is shown when the command fails.
logged() {
  "$@" >>"$log" 2>&1 && return 0
  tail -n 15 "$log" >&2
  fail "failed: $* (all of it in $log)"
}

# While packages are set up no service may start, and none is left to start at the next boot.
forbid_services() {
  restore_services
  if [ -e "$policy" ]; then mv "$policy" "$policy.forebay-e2e"; fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap restore_services EXIT
}

restore_services() {
  if [ -e "$policy.forebay-e2e" ]; then
    mv "$policy.forebay-e2e" "$policy"
  elif [ -e "$policy" ] && [ "$(cat "$policy")" = "$(printf '#!/bin/sh\nexit 101')" ]; then
    rm -f "$policy"
  fi
}

install_packages() {
  local wanted=("$@") unit had=()
  for unit in "${units[@]}"; do
    if [ -e "/lib/systemd/system/$unit" ]; then had+=("$unit"); fi
  done
  say "packages: ${wanted[*]}"
  logged apt-get update -qq
  forbid_services
  DEBIAN_FRONTEND=noninteractive logged apt-get install -y -qq --no-install-recommends "${wanted[@]}"
  restore_services
  command -v systemctl >/dev/null || return 0
  for unit in "${units[@]}"; do
    case " ${had[*]-} " in *" $unit "*) ;; *) systemctl disable --quiet "$unit" >>"$log" 2>&1 || true ;; esac
  done
}

# What this machine's own apt sources name for Debian, first the suite it runs: "SITE CODENAME".
mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(CODENAME)' 'Created-By: Packages' |
    awk -F '|' '$1 == "Debian" && $2 == "Debian" && $4 !~ /-/ { print $3, $4; exit }'
}

# A minbase of the suite in a directory that appears under its name only when complete.
bootstrap() {
  local suite=$1 into=$2 site=$3
  rm -rf "$into"
  mkdir -p "$into"
  logged debootstrap --variant=minbase --include=ca-certificates "$suite" "$into" "$site" "/usr/share/debootstrap/scripts/sid"
}

install_clients() {
  local site
  say "clients: ${client_packages[*]} in $clients"
  if [ ! -x "$clients/usr/bin/apt-get" ]; then
    read -r site _ < <(mirror) || fail "the apt sources name no Debian mirror"
    bootstrap sid "$clients.new" "$site"
    rm -rf "$clients"
    mv "$clients.new" "$clients"
  fi
  # A mirror may be a frozen copy, whose lists are past their date.
  logged bash "$here/client.sh" sh -c "
    set -e
    apt-get -o Acquire::Check-Valid-Until=false update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${client_packages[*]}
    apt-get clean"
}

# Trimmed to what runs a shell and the core tools: about 25 MB compressed.
install_base() {
  local site suite tree=$cache/base.new
  read -r site suite < <(mirror) || fail "the apt sources name no Debian mirror"
  say "base: a small $suite in $base"
  bootstrap "$suite" "$tree" "$site"
  (cd "$tree" && rm -rf dev/* var/cache/* var/lib/apt/lists/* var/log/* \
    usr/share/{doc,man,info,locale,zoneinfo,i18n,perl,perl5,bash-completion} usr/lib/*/{gconv,perl,perl-base} usr/share/{common-licenses,lintian})
  tar -C "$tree" --sort=name --numeric-owner --mtime=@0 -cf "$base.new" .
  rm -rf "$tree"
  mv "$base.new" "$base"
}

case "${1:-}" in
  '') ;;
  --check)
    lacking=$(missing)
    [ -z "$lacking" ] && exit 0
    printf '%s\n' "$lacking"
    exit 1
    ;;
  *) sed -n '2,9p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
esac

[ -z "$(missing)" ] && { say "nothing to do"; exit 0; }
[ "$(id -u)" = 0 ] || fail "must run as root"
command -v apt-get >/dev/null || fail "needs a Debian machine (no apt-get here)"
mkdir -p "$cache"
: >"$log"
mapfile -t wanted < <(missing_packages)
[ "${#wanted[@]}" = 0 ] || install_packages "${wanted[@]}"
[ -n "$(mirror)" ] || logged apt-get update -qq
[ -z "$(missing_clients)" ] || install_clients
[ -s "$base" ] || install_base
say "done"
