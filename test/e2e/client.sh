#!/usr/bin/env bash
# Runs a command in the `clients` root that install.sh made: its programs, this machine's network and environment. The
# current directory and the temporary directory are seen at the same paths.
#
#   client.sh CMD ARGS…
#
# A pivoted root in a mount namespace of its own, rather than a chroot: apptainer makes user namespaces, which the kernel
# refuses inside a chroot; and nothing stays mounted when the command has ended. Needs root.
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,5p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2; }

cache=${FOREBAY_E2E_CACHE:-/var/cache/forebay-e2e}
root=$cache/clients
[ -d "$root/usr/bin" ] || { echo "client.sh: no clients in $root: run test/e2e/install.sh" >&2; exit 127; }

export E2E_ROOT=$root E2E_HERE=$PWD
# shellcheck disable=SC2016
exec unshare --mount --propagation private -- bash -c '
  set -e
  visible() {
    case "$1" in / | /tmp | /tmp/*) return 0 ;; esac
    mkdir -p "$E2E_ROOT$1"
    mount --rbind "$1" "$E2E_ROOT$1"
  }
  mount --bind "$E2E_ROOT" "$E2E_ROOT"
  mount -t proc proc "$E2E_ROOT/proc"
  mount --rbind /sys "$E2E_ROOT/sys"
  mount --rbind /dev "$E2E_ROOT/dev"
  mount --bind /tmp "$E2E_ROOT/tmp"
  # Bound and not copied: another client may be reading its own at this moment.
  for file in /etc/resolv.conf /etc/hosts; do
    [ -e "$file" ] || continue
    [ -f "$E2E_ROOT$file" ] || touch "$E2E_ROOT$file"
    mount --bind "$file" "$E2E_ROOT$file"
  done
  visible "$E2E_HERE"
  visible "${TMPDIR:-/tmp}"
  mkdir -p "$E2E_ROOT/.outside"
  cd "$E2E_ROOT"
  pivot_root . .outside
  umount -l /.outside
  cd "$E2E_HERE"
  unset E2E_ROOT E2E_HERE LD_LIBRARY_PATH LD_PRELOAD
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
  exec "$@"' client "$@"
