import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Fault } from '../model/fault.ts'
import { makeFolder, readSmallFile, removeFile, walk, writeDurably } from '../system/files.ts'
import type { TokenFacts, Tokens } from './access.ts'

/** A token as it is kept: its sha256 is enough, as nobody guesses so many random bits. */
export interface KeptToken extends TokenFacts {
  readonly sha256: string // hex
}

const prefix = 'forebay_'
// Clients that read a token from a file want 200 letters at least. @see apptainer internal/app/apptainer/remote_login.go
const randomBits = 153 * 8
const shape = new RegExp(`^${prefix}[A-Za-z0-9_-]{40}`)
const fileShape = /^[0-9a-f]{12}\.json$/
const nameShape = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/
const longest = 16 * 1024 // bytes of one file

export const tokensFolder = (storePath: string) => join(storePath, 'tokens')

/** Also what was copied badly: it is no password, and nobody else's token. */
export function isToken(text: string): boolean {
  return shape.test(text)
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** A file for each token, so that two who issue some at once are not in each other's way. */
export function createTokens(storePath: string, now: () => number): Tokens {
  const folder = tokensFolder(storePath)
  return {
    async issue(name, expiresInMs) {
      if (!nameShape.test(name) || name === 'anonymous')
        throw new Fault('request-invalid', {
          what: `the name "${name.slice(0, 80)}"`,
          why: 'expected 1 to 64 letters, digits, ".", "_", "@" or "-", beginning with a letter or digit; not "anonymous"',
        })
      const token = prefix + randomBytes(randomBits / 8).toString('base64url')
      const createdAt = now()
      const expiresAt = expiresInMs === undefined ? undefined : createdAt + expiresInMs
      const kept: KeptToken = { id: randomBytes(6).toString('hex'), name, createdAt, expiresAt, sha256: hashToken(token) }
      await makeFolder(folder)
      await writeDurably(join(folder, `${kept.id}.json`), `${JSON.stringify(kept)}\n`)
      const { sha256: _, ...facts } = kept
      return { ...facts, token }
    },
    async list() {
      const { tokens } = await readTokens(storePath)
      return tokens.map(({ sha256: _, ...facts }) => facts).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
    },
    async revoke(id) {
      return fileShape.test(`${id}.json`) && removeFile(join(folder, `${id}.json`))
    },
  }
}

/** Every token that is kept, and the files that are of no use. @throws Fault 'disk-failed' */
export async function readTokens(
  storePath: string,
): Promise<{ readonly tokens: readonly KeptToken[]; readonly damaged: readonly string[] }> {
  const folder = tokensFolder(storePath)
  const tokens: KeptToken[] = []
  const damaged: string[] = []
  for await (const name of walk(folder)) {
    if (!fileShape.test(name)) continue
    const path = join(folder, name)
    const token = await readToken(path).catch(() => 'damaged' as const)
    if (token === 'damaged') damaged.push(path)
    else if (token) tokens.push(token)
  }
  return { tokens, damaged }
}

/** Undefined where it was revoked just now. @throws where it is of no use */
async function readToken(path: string): Promise<KeptToken | undefined> {
  const bytes = await readSmallFile(path, longest)
  if (!bytes) return undefined
  const { id, name, createdAt, expiresAt, sha256 } = JSON.parse(bytes.toString()) as Readonly<Record<string, unknown>>
  const isWhole =
    typeof id === 'string' &&
    typeof name === 'string' &&
    nameShape.test(name) &&
    typeof createdAt === 'number' &&
    (expiresAt === undefined || typeof expiresAt === 'number') &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256)
  if (!isWhole) throw new Fault('disk-failed', { path, why: 'it is no token of ours' })
  return { id, name, createdAt, expiresAt, sha256 }
}
