import { AsyncLocalStorage } from 'node:async_hooks'
import type { Source } from '../model/artifact.ts'
import type { Credentials, Login } from '../model/principal.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { CredentialSource } from './credentials.ts'
import type { Admitting, Listings, Lookups, NamedUpstream, OciUpstream, SourceReader } from './upstream.ts'

/** For one upstream that is asked as whoever asks us. */
export interface Caller {
  /** What is shown by whoever is being asked for just now. */
  readonly credentials: CredentialSource
  /** The same registry, asked as who asks; bodies are asked for as whoever wanted their source. */
  registry<U extends OciUpstream>(upstream: U): U
  /** Likewise for whole files. */
  named<U extends NamedUpstream>(upstream: U): U
  lookups<U extends Lookups>(upstream: U): U
  tags<U extends Pick<Listings, 'tags'>>(upstream: U): U
  admitting<Wanted>(upstream: Admitting<Wanted>): Admitting<Wanted>
}

/**
 * Carries credentials from a question to the requests that it takes, past everything between that has nothing to do with them.
 * Those for another upstream are left aside.
 */
export function createCaller(id: UpstreamId): Caller {
  const current = new AsyncLocalStorage<Login | undefined>()
  const wanted = new WeakMap<Source, Login>()

  const loginOf = (shown: Credentials | undefined) => (shown?.upstreams.includes(id) ? shown : undefined)
  const as = <T>(shown: Credentials | undefined, work: () => T): T => current.run(loginOf(shown), work)

  function marked(source: Source, shown: Credentials | undefined): Source {
    const login = loginOf(shown)
    if (login) wanted.set(source, login)
    return source
  }

  const reading =
    (read: SourceReader['read']): SourceReader['read'] =>
    (source, want, signal) =>
      current.run(wanted.get(source), () => read(source, want, signal))
  const listing = ({ tags }: Pick<Listings, 'tags'>): Pick<Listings, 'tags'> => ({
    tags: (repository, page, ask) => as(ask.credentials, () => tags(repository, page, ask)),
  })

  return {
    credentials: async () => {
      const login = current.getStore()
      if (!login) return undefined
      return login.kind === 'password'
        ? { kind: 'password', username: login.username, password: login.password }
        : { kind: 'bearer', token: login.token }
    },
    registry: (upstream) => ({
      ...upstream,
      ...listing(upstream),
      async resolve(reference, ask, known) {
        const answer = await as(ask.credentials, () => upstream.resolve(reference, ask, known))
        if (answer.outcome === 'found') for (const source of answer.sources) marked(source, ask.credentials)
        return answer
      },
      sourceOf: (reference, shown) => marked(upstream.sourceOf(reference), shown),
      read: reading(upstream.read),
      referrers: (repository, digest, filter, ask) =>
        as(ask.credentials, () => upstream.referrers(repository, digest, filter, ask)),
    }),
    named: (upstream) => ({
      ...upstream,
      resolve: (reference, ask, known) => as(ask.credentials, () => upstream.resolve(reference, ask, known)),
      sourcesOf: (facts, digest, shown) => upstream.sourcesOf(facts, digest).map((source) => marked(source, shown)),
      read: reading(upstream.read),
    }),
    lookups: (upstream) => ({
      ...upstream,
      lookup: (question, signal, shown) => as(shown, () => upstream.lookup(question, signal)),
    }),
    tags: (upstream) => ({ ...upstream, ...listing(upstream) }),
    admitting: ({ admits }) => ({ admits: (wanted, ask) => as(ask.credentials, () => admits(wanted, ask)) }),
  }
}
