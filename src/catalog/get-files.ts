import { parseMetalink } from '../formats/metalink.ts'
import type { ForeignFile, ForeignMetalink } from '../formats/metalink-document.ts'
import type { Artifact } from '../model/artifact.ts'
import { algorithmOf, type Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { octetStream } from '../model/media-type.ts'
import type { Ask } from '../model/principal.ts'
import { type FileReference, parseFilePath, type UpstreamId } from '../model/reference.ts'
import type { BlobStore, StoredBlob } from '../store/blob-store.ts'
import { redactUrl } from '../system/redact.ts'
import { untilGone } from '../system/until-gone.ts'
import { fillKey, type Transfer } from '../transfer/transfer.ts'
import type { Described } from '../upstream/upstream.ts'
import type { DocumentSource, GotFile, Keeping } from './catalog.ts'
import type { Knowledge } from './knowledge.ts'
import type { Notes } from './notes.ts'

const via = '_metalink' as UpstreamId // no setting can be called that

export interface GetFilesDeps {
  readonly described: Described
  readonly transfer: Transfer
  readonly notes: Pick<Notes, 'take' | 'noted'>
  readonly store: Pick<BlobStore, 'stat'>
  readonly knowledge: Pick<Knowledge, 'idOf' | 'blob'>
  readonly ownUrl: () => string | undefined
}

/**
 * Brings in what a metalink describes, from the places it names, best first. Nothing is believed but the digests: a file
 * without a strong one is refused, before anything is fetched.
 *
 * @throws Fault 'upstream-invalid', 'outbound-blocked', 'all-sources-failed', 'corrupt', those of the places
 */
export function createGetFiles(deps: GetFilesDeps): Keeping['getFiles'] {
  const { described, transfer, notes, store, knowledge } = deps

  /** Asking ourselves would be to wait for ourselves. */
  function isOurs({ href }: URL): boolean {
    const own = deps.ownUrl()
    return own !== undefined && href.startsWith(`${own}/`)
  }

  async function bring(file: ForeignFile, digest: Digest, from: string, ask: Ask): Promise<GotFile> {
    const id = await knowledge.idOf(digest)
    const stored = (id && (await store.stat(id))) ?? (await fetch(file, digest, from, ask))
    const mediaType = (await knowledge.blob(stored.id))?.mediaType ?? octetStream
    return { name: file.name, id: stored.id, path: stored.path, size: stored.size, mediaType }
  }

  async function fetch(file: ForeignFile, digest: Digest, from: string, ask: Ask): Promise<StoredBlob> {
    const sources = described.sourcesOf(file, via).filter(({ url }) => !isOurs(url))
    if (sources.length === 0) throw nobodyToAsk(file, from)
    const artifact = artifactOf(file, digest)
    const key = fillKey(artifact)
    const joined = transfer.running(key) !== undefined
    const fill = transfer.fill(artifact, sources)
    await using _reader = fill.follow() // a fill goes on for whoever waits for it
    // It is nobody's to be shown to clients: the document says what it is, not who may have it.
    if (!joined) notes.take(key, fill, { mediaType: undefined, repositories: [], isPublic: false })
    const { blob } = await untilGone(fill.stored, ask.signal)
    await untilGone(notes.noted(key), ask.signal)
    return blob
  }

  return async (what, ask) => {
    const { files, from } = await read(what, described, ask.signal)
    const wanted = files.map((file) => ({ file, digest: strongOf(file, from) }))
    const got: GotFile[] = []
    // One after the other: each has all its places at work.
    for (const { file, digest } of wanted) got.push(await bring(file, digest, from, ask))
    return got
  }
}

async function read(
  what: DocumentSource,
  described: Described,
  signal: AbortSignal,
): Promise<Pick<ForeignMetalink, 'files'> & { from: string }> {
  if ('bytes' in what) return { ...parseMetalink(what.bytes, what.from), from: what.from }
  const url = URL.parse(what.url)
  if (!url) throw new Fault('request-invalid', { what: what.url.slice(0, 200), why: 'it is not a URL' })
  return { ...(await described.read(url, signal)), from: redactUrl(url) }
}

/** sha256 where it is told: by that the store knows it. @throws Fault 'upstream-invalid' */
function strongOf({ name, digests }: ForeignFile, from: string): Digest {
  const strong = ['sha256', 'sha512'].map((wanted) => digests.find((digest) => algorithmOf(digest) === wanted))
  const digest = strong.find((one) => one !== undefined)
  if (digest) return digest
  const why = `it has neither a sha-256 nor a sha-512 of ${JSON.stringify(name)}, to tell the right bytes by`
  throw new Fault('upstream-invalid', { url: from, why })
}

function artifactOf({ name, size }: ForeignFile, digest: Digest): Artifact {
  const path = parseFilePath(name.split('/').map(encodeURIComponent).join('/'))
  const reference: FileReference = { kind: 'file', upstream: via, path }
  return { reference, mediaType: octetStream, size, digests: [digest], checkedAt: 0, freshUntil: Number.POSITIVE_INFINITY }
}

function nobodyToAsk({ name, urls }: ForeignFile, from: string): Fault {
  const refused = urls.map(({ url }) => `${redactUrl(url)} may not be asked: it is private or not https, or our own`)
  const tried = refused.length > 0 ? refused : [`${from} names no place of it that could be asked`]
  return new Fault('all-sources-failed', { what: name, tried })
}
