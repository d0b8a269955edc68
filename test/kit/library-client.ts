import { createHash } from 'node:crypto'
import { ask, type Reply } from './ask.ts'

export interface LibraryPullOptions {
  readonly arch?: string // amd64 unless said
  readonly partBytes?: number // 5 MiB unless said
  readonly headers?: Readonly<Record<string, string>>
  /** Called between the question what the name means and that for the file. */
  readonly meanwhile?: () => void | Promise<void>
}

export interface LibraryPull {
  /** Undefined where the pull failed; then `why` tells. */
  readonly bytes: Buffer | undefined
  readonly why: string | undefined
  readonly hash: string | undefined // as the server told it
  readonly parts: number // that were asked for
}

/**
 * Pulls as container-library-client 1.4 does: asks for the hash, for the file, follows a 303 in parts whose statuses it never
 * looks at, and compares the hash of what it has written.
 */
export async function pullFromLibrary(base: string, reference: string, options: LibraryPullOptions = {}): Promise<LibraryPull> {
  const { arch = 'amd64', headers = {} } = options
  const query = `${reference}?arch=${arch}`
  const failed = (why: string, hash?: string): LibraryPull => ({ bytes: undefined, why, hash, parts: 0 })
  const told = await image(base, query, headers)
  if (typeof told === 'string') return failed(told)
  const { hash } = told
  if (!hash) return failed('the cache is deleted, as there is no hash')
  for (const probe of ['v1/oci-redirect?accessTypes=pull&mapped=1&namespace=e%2Fc%2Fn', 'version'])
    await ask(`${base}/${probe}`, { headers })
  await options.meanwhile?.()
  const file = await ask(`${base}/v1/imagefile/${query}`, { headers })
  const { bytes, parts, why } = file.status === 303 ? await inParts(base, query, file, options) : whole(file)
  if (!bytes) return failed(why ?? `the file: ${file.status}`, hash)
  const actual = `sha256.${createHash('sha256').update(bytes).digest('hex')}`
  return actual === hash ? { bytes, why: undefined, hash, parts } : failed(`${actual} is not ${hash}`, hash)
}

interface Fetched {
  readonly bytes?: Buffer
  readonly parts: number
  readonly why?: string
}

function whole({ status, body, end }: Reply): Fetched {
  return status === 200 && end === 'clean' ? { bytes: body, parts: 0 } : { parts: 0, why: `the file: ${status}, ${end}` }
}

async function inParts(
  base: string,
  query: string,
  { headers: { location = '' } }: Reply,
  { partBytes = 5 * 2 ** 20, headers = {} }: LibraryPullOptions,
): Promise<Fetched> {
  const again = await image(base, query, headers)
  if (typeof again === 'string') return { parts: 0, why: again }
  const { size } = again
  if (size === undefined || !URL.canParse(location)) return { parts: 0, why: `no size, or no place: ${size} ${location}` }
  const starts = Array.from({ length: Math.ceil(size / partBytes) }, (_, part) => part * partBytes)
  const bytes = Buffer.alloc(size)
  try {
    await Promise.all(
      starts.map(async (start) => {
        const range = `bytes=${start}-${Math.min(size, start + partBytes) - 1}`
        const part = await ask(location, { headers: { range } })
        if (part.end === 'cut') throw new Error('a part was cut')
        part.body.copy(bytes, start)
      }),
    )
  } catch (error) {
    return { parts: starts.length, why: String(error) }
  }
  return { bytes, parts: starts.length }
}

async function image(
  base: string,
  query: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ hash?: string; size?: number } | string> {
  const reply = await ask(`${base}/v1/images/${query}`, { headers })
  if (reply.status !== 200) return `the image: ${reply.status} ${reply.body}`
  return (JSON.parse(reply.body.toString()) as { data: { hash?: string; size?: number } }).data ?? {}
}
