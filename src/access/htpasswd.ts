/** Users and the bcrypt hashes of their passwords. */
export interface Users {
  readonly hashes: ReadonlyMap<string, string>
  readonly cost: number // the highest there is: a check for a name that is not there takes as long
}

export type ReadUsers = Users | { readonly mistakes: readonly string[] }

const shape = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/
const usualCost = 10
const [leastCost, mostCost] = [4, 15] // each one more doubles the time; 15 takes seconds

/** Reads what `htpasswd -B` writes. Nothing of a hash is in a mistake. `file`: how the mistakes name it. */
export function parseHtpasswd(text: string, file: string): ReadUsers {
  const hashes = new Map<string, string>()
  const mistakes: string[] = []
  let cost = 0
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    const [name, hash] = [line.slice(0, Math.max(0, colon)), line.slice(colon + 1).trim()]
    const ownCost = Number(shape.exec(hash)?.[1])
    const why = mistakeOf(name, hash, ownCost, hashes)
    if (why) mistakes.push(`${file}, line ${at + 1}: ${why}`)
    else hashes.set(name, hash)
    cost = Math.max(cost, ownCost || 0)
  }
  return mistakes.length > 0 ? { mistakes } : { hashes, cost: cost || usualCost }
}

function mistakeOf(name: string, hash: string, cost: number, known: ReadonlyMap<string, string>): string | undefined {
  if (name === '') return 'expected NAME:HASH'
  if (name === '*' || name === 'anonymous') return `the name "${name}" means others in the rules`
  if (known.has(name)) return `the user "${name}" is there already`
  if (!shape.test(hash))
    return `the password of "${name}" is not hashed by bcrypt, the only way that is taken: htpasswd -B FILE ${name}`
  if (cost < leastCost || cost > mostCost)
    return `the password of "${name}" is hashed at cost ${cost}, and ${leastCost} to ${mostCost} are taken: htpasswd -B -C 12 FILE ${name}`
  return undefined
}
