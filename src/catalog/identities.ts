import { createHmac, randomBytes } from 'node:crypto'
import type { Credentials, Login } from '../model/principal.ts'
import type { UpstreamId } from '../model/reference.ts'

/** Tells those apart who ask by what they show, without keeping it. */
export interface Identities {
  /** Who this is to that upstream. */
  of(upstream: UpstreamId, shown: Credentials | undefined): string
  /** The key of what is not for others, where an upstream says itself who may read what: what one hears says nothing of another. */
  keyOf(key: string, upstream: UpstreamId, rights: 'site' | 'caller' | undefined, shown: Credentials | undefined): string
  /** Whoever shows this. */
  ofLogin(login: Login): string
}

/** By a hash whose key dies with the process. */
export function createIdentities(): Identities {
  const key = randomBytes(32)

  function ofLogin(login: Login): string {
    const parts = login.kind === 'password' ? [login.username, login.password] : [login.token]
    return createHmac('sha256', key)
      .update(JSON.stringify([login.kind, ...parts]))
      .digest('base64')
  }

  const of: Identities['of'] = (upstream, shown) => (shown?.upstreams.includes(upstream) ? ofLogin(shown) : 'anonymous')

  return {
    of,
    keyOf: (key, upstream, rights, shown) => (rights === 'caller' ? `${key} ${of(upstream, shown)}` : key),
    ofLogin,
  }
}
