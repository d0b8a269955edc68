const names: ReadonlySet<string> = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE'],
  ...['DOCKER_CONFIG', 'REGISTRY_AUTH_FILE'],
  ...['DBUS_SESSION_BUS_ADDRESS', 'DISPLAY', 'WAYLAND_DISPLAY', 'GNOME_KEYRING_CONTROL'], // secretservice
  ...['GNUPGHOME', 'GPG_TTY', 'GPG_AGENT_INFO', 'PINENTRY_USER_DATA', 'SSH_AUTH_SOCK'], // pass
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR'],
])
const families = /^(?:LC|XDG|PASSWORD_STORE|AWS|GOOGLE|CLOUDSDK|GCE|AZURE|ACR)_|^(?:https?|no|all)_proxy$/i
const ours = /^forebay_/i

/**
 * What of our environment a credential helper gets: where its user's things are, how its keyring is reached, and what the
 * helpers of clouds log in with. Secrets of ours are none of its business.
 */
export function helperEnvironment(env: Readonly<NodeJS.ProcessEnv>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name) && (names.has(name) || families.test(name))))
}
