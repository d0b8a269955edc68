import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../system/clock.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import type { Attempts } from './attempts.ts'
import type { Users } from './htpasswd.ts'
import type { Passwords } from './passwords.ts'

export interface LoginsDeps {
  readonly passwords: Pick<Passwords, 'isRight'>
  readonly attempts: Attempts
  readonly clock: Pick<Clock, 'now'>
}

/** Names with passwords. What was found out of a pair is remembered for minutes, by a hash whose key dies with the process. */
export interface Logins {
  /** Is it right? Settled at once where that was found out lately. @throws Fault 'client-limited', 'overloaded' */
  check(name: string, password: string, address: string): boolean | Promise<boolean>
  /** Nothing that was found out before is believed any more. */
  setUsers(users: Users): void
}

const rightForMs = 5 * 60_000
const wrongForMs = 60_000
const pairsKept = 10_000

export function createLogins({ passwords, attempts, clock }: LoginsDeps): Logins {
  const remembered = createMemoryCache<string, { readonly isRight: boolean }>({ maxEntries: pairsKept, clock })
  const running = new Map<string, Promise<boolean>>()
  const key = randomBytes(32)
  let users: Users = { hashes: new Map(), cost: 10 }
  let generation = 0

  /** One check for all who ask the same at once: the many jobs of a user. */
  async function checkAnew(pair: string, name: string, password: string, address: string): Promise<boolean> {
    const hash = users.hashes.get(name)
    const began = generation
    const isRight = await attempts.try(
      address,
      async () => (await passwords.isRight(password, hash ?? hashOfNobody(users.cost))) && hash !== undefined,
    )
    if (generation === began) remembered.set(pair, { isRight }, isRight ? rightForMs : wrongForMs)
    return isRight
  }

  return {
    check(name, password, address) {
      const pair = createHmac('sha256', key).update(`${generation} ${name}:${password}`).digest('base64')
      const known = remembered.get(pair)
      if (known) return known.isRight
      let check = running.get(pair)
      if (!check) {
        check = checkAnew(pair, name, password, address).finally(() => running.delete(pair))
        running.set(pair, check)
      }
      return check
    },
    setUsers(next) {
      users = next
      generation++
      remembered.clear()
    },
  }
}

/** That of no password: comparing with it takes the time that a real one takes. */
function hashOfNobody(cost: number): string {
  return `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}`
}
