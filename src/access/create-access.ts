import { Fault, isFault } from '../model/fault.ts'
import type { Principal } from '../model/principal.ts'
import type { Clock } from '../system/clock.ts'
import { makeFolder, readSmallFile } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { createNetworks } from '../system/networks.ts'
import { watchFiles } from '../system/watch-files.ts'
import type { Access } from './access.ts'
import { createAttempts, type Failures } from './attempts.ts'
import { parseAuthorization } from './credentials.ts'
import { parseHtpasswd, type ReadUsers } from './htpasswd.ts'
import { createLogins } from './logins.ts'
import { createPasswords } from './passwords.ts'
import { createPolicy, type PolicySettings } from './rules.ts'
import { createTickets } from './tickets.ts'
import { hashToken, type KeptToken, readTokens, tokensFolder } from './tokens.ts'

export interface AccessSettings extends PolicySettings {
  readonly users: { readonly file: string } | undefined
  readonly networks: readonly string[]
}

export interface AccessDeps {
  readonly settings: AccessSettings
  readonly settingsFile: string
  readonly upstreams: readonly string[] // of which these rules are
  /** There are others, which say themselves who may read what. */
  readonly hasOthers: boolean
  readonly storePath: string
  readonly failures: Failures
  readonly clock: Clock
  readonly log: Pick<Logger, 'info' | 'warn'>
}

export const challenge = 'Basic realm="forebay"'

const lookEveryMs = 1_000
const ticketsForMs = 5 * 60_000
const longestUsers = 16 * 1024 * 1024 // bytes
const anonymous: Principal = { kind: 'anonymous' }

/**
 * Where everybody may read everything, what clients show is not even looked at: many send what is meant for others.
 * Otherwise users and tokens are read again whenever they change.
 *
 * @throws Fault 'config-invalid' for a file of users that is of no use
 */
export async function createAccess(deps: AccessDeps): Promise<Access> {
  const { settings, settingsFile, upstreams, hasOthers, storePath, failures, clock, log } = deps
  const policy = createPolicy(settings, upstreams)
  const passwords = createPasswords()
  const logins = createLogins({ passwords, attempts: createAttempts(failures), clock })
  const isInside = createNetworks(settings.networks)
  const hasNetworks = settings.networks.length > 0
  const users = settings.users?.file
  let tokens: ReadonlyMap<string, KeptToken> = new Map()

  async function loadTokens(): Promise<void> {
    const found = await readTokens(storePath)
    for (const path of found.damaged) log.warn('access.token', { path, why: 'it cannot be read, or is no token of ours' })
    tokens = new Map(found.tokens.map((token) => [token.sha256, token]))
  }

  async function usersChanged(): Promise<void> {
    const read = await readUsers(users!)
    if ('mistakes' in read) return log.warn('access.users', { why: 'the users known before stay', mistakes: read.mistakes })
    logins.setUsers(read)
    log.info('access.users', { users: read.hashes.size })
  }

  function byToken(token: string): Principal {
    const known = tokens.get(hashToken(token))
    if (!known || (known.expiresAt ?? Number.POSITIVE_INFINITY) <= clock.now()) throw unknown()
    return { kind: 'token', name: known.name }
  }

  function byTicket(text: string): Principal {
    const ticket = tickets?.open(text)
    if (!ticket) throw unknown()
    return ticket.principal
  }

  const byPassword =
    (name: string) =>
    (isRight: boolean): Principal => {
      if (!isRight) throw unknown()
      return { kind: 'user', name }
    }

  const tickets = policy.isOpen && !hasOthers ? undefined : await createTickets(storePath, clock.now)

  const stops: (() => Promise<void>)[] = []
  const stop = async () => void (await Promise.all(stops.map((stop) => stop())))

  /** Watched first: what changes while it is read is read again. */
  async function begin(): Promise<void> {
    if (!policy.isOpen) {
      await makeFolder(tokensFolder(storePath))
      const failed = (error: unknown) => log.warn('access.tokens', { why: 'the tokens known before stay', error })
      const changed = () => loadTokens().catch(failed)
      stops.push(await watchFiles([tokensFolder(storePath)], { clock, everyMs: lookEveryMs, changed }))
      await loadTokens()
    }
    if (users !== undefined) {
      stops.push(await watchFiles([users], { clock, everyMs: lookEveryMs, changed: usersChanged }))
      const read = await readUsers(users)
      if ('mistakes' in read) throw new Fault('config-invalid', { file: settingsFile, mistakes: read.mistakes })
      logins.setUsers(read)
    }
  }

  await begin().catch(async (error) => {
    await stop()
    throw error
  })

  return {
    ...policy,
    hasNetworks,
    mayConnect: (address) => !hasNetworks || isInside(address),
    authenticate(authorization, address) {
      if (policy.isOpen) return anonymous
      const shown = parseAuthorization(authorization)
      switch (shown.kind) {
        case 'nothing':
          return anonymous
        case 'unknown':
          throw unknown()
        case 'token':
          return byToken(shown.token)
        case 'ticket':
          return byTicket(shown.text)
        case 'password': {
          const found = logins.check(shown.name, shown.password, address)
          const principal = byPassword(shown.name)
          return typeof found === 'boolean' ? principal(found) : found.then(principal)
        }
      }
    },
    shown: parseAuthorization,
    seal(ticket) {
      if (!tickets) throw new Fault('internal', { what: 'a ticket for what is open to everybody' })
      return { text: tickets.seal(ticket, clock.now() + ticketsForMs), forMs: ticketsForMs }
    },
    opened: (text) => tickets?.open(text),
    async close() {
      await stop()
      await passwords.close()
    },
  }
}

function unknown(): Fault {
  return new Fault('unauthenticated', { what: 'this', challenge, why: 'those that were given are not known here' })
}

async function readUsers(file: string): Promise<ReadUsers> {
  const name = `access.users.file: ${file}`
  try {
    const bytes = await readSmallFile(file, longestUsers)
    return bytes ? parseHtpasswd(bytes.toString('utf8'), name) : { mistakes: [`${name}: there is no such file`] }
  } catch (error) {
    if (!isFault(error)) throw error
    return { mistakes: [`${name}: ${isFault(error, 'disk-failed') ? error.details.why : error.message}`] }
  }
}
