import { execFileSync } from 'node:child_process'

/** Nobody: a user with no rights, who owns nothing. */
export const nobody = 65_534

/**
 * Words to put before a house process whose settings file is its last argument: a namespace where all of the file system but
 * the store beside that file is read-only, and an unprivileged user.
 */
export const confined: readonly string[] = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script(), 'confined']

function script(): string {
  return `
for last; do :; done
folder=$(dirname "$last")
chown -R ${nobody}:${nobody} "$folder"
mount --bind "$folder/store" "$folder/store"
cut -d' ' -f5 /proc/self/mountinfo | while read -r place; do
  case $place in "$folder/store" | /dev/* | /proc | /proc/*) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;; esac
done
if touch "$folder/written" /tmp/forebay-written 2>/dev/null; then echo 'it is not read-only'; exit 9; fi
cd /
exec setpriv --reuid ${nobody} --regid ${nobody} --clear-groups --no-new-privs --bounding-set=-all -- "$@"`
}

/** Why it cannot be done on this machine; undefined where it can. */
export function confinementMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root can do that'
  try {
    execFileSync('setpriv', ['--version'], { stdio: 'ignore' })
    const words = ['--mount', '--propagation', 'private', 'sh', '-ec', 'mount -o remount,bind,ro / && ! touch /forebay-written']
    execFileSync('unshare', words, { stdio: 'ignore' })
    return undefined
  } catch {
    return 'no file system can be made read-only here'
  }
}
