/**
 * What an answer known since `checkedAt` is worth at `now`.
 *
 * `fresh`: no need to ask. `stale`: ask, and serve it if the upstream fails. `gone`: too old even for that.
 *
 * @see RFC 9111 §4.2 and RFC 5861 §4 (stale-if-error)
 */
export function judge(
  known: { readonly checkedAt: number },
  policy: { readonly freshForMs: number; readonly staleIfErrorMs: number },
  now: number,
): 'fresh' | 'stale' | 'gone' {
  const age = now - known.checkedAt
  if (age < 0) return 'stale' // the clock was set back since: nobody can say how old it is
  if (age < policy.freshForMs) return 'fresh'
  return age < policy.freshForMs + policy.staleIfErrorMs ? 'stale' : 'gone'
}
