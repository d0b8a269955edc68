import { randomBytes } from 'node:crypto'

const prefix = randomBytes(4).toString('hex')
const safe = /^[A-Za-z0-9._-]{1,64}$/

/** Makes request ids: short, unique among processes, cheap. One a listener. */
export function createRequestIds(): (given: string | undefined) => string {
  let count = 0
  return (given) => (given !== undefined && safe.test(given) ? given : `${prefix}-${(count++).toString(36)}`)
}
