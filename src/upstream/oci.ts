import { createHash } from 'node:crypto'
import { parseManifest } from '../formats/oci.ts'
import type { Artifact, Resolution, Source } from '../model/artifact.ts'
import { algorithmOf, type Digest, digestOf, digestOrUndefined } from '../model/digest.ts'
import { Fault, isFault } from '../model/fault.ts'
import { manifestAccept, octetStream } from '../model/media-type.ts'
import type { Ask } from '../model/principal.ts'
import { parseContentRange } from '../model/range.ts'
import { type BlobReference, isDigest, type ManifestReference, type Repository, type UpstreamId } from '../model/reference.ts'
import { createCircuit } from '../system/circuit.ts'
import type { HttpResponse } from '../system/http.ts'
import { createPlaces } from '../system/places.ts'
import { redactUrl } from '../system/redact.ts'
import { lengthOf } from './body-answer.ts'
import type { Budget } from './budget.ts'
import { createOciBlobs } from './oci-blobs.ts'
import { createOciLists } from './oci-lists.ts'
import { createSession, type SessionDeps, statusFault } from './oci-session.ts'
import type { Admitting, OciUpstream, RegistryWanted } from './upstream.ts'

const manifestLimit = 16 * 1024 * 1024

export interface OciUpstreamDeps extends Omit<SessionDeps, 'heard'> {
  readonly id: UpstreamId
  readonly budget: Budget
  readonly isPublic: boolean
  readonly maxConnections: number // bodies at once
}

/** A registry that speaks the OCI distribution or Docker v2 API. @see OCI distribution-spec */
export function createOciUpstream(deps: OciUpstreamDeps): OciUpstream & Admitting<RegistryWanted> {
  const { id, clock, budget } = deps
  const session = createSession({ ...deps, heard: budget.heard })
  const circuit = createCircuit({ clock, name: redactUrl(deps.url), isFailure })
  const repositories = new WeakMap<Source, Repository>()
  const blobs = createOciBlobs({
    session,
    places: createPlaces(deps.maxConnections),
    repositoryOf: (source) => repositories.get(source)!,
  })

  function sourceOf({ repository, digest }: BlobReference): Source {
    const source: Source = { url: session.urlOf(`${repository}/blobs/${digest}`), via: id, priority: 500_000 }
    repositories.set(source, repository)
    return source
  }

  const manifestRequest = (reference: ManifestReference, method: 'GET' | 'HEAD', signal: AbortSignal) =>
    session.sendPatiently({
      method,
      url: session.urlOf(`${reference.repository}/manifests/${reference.pointer}`),
      headers: { accept: manifestAccept },
      repository: reference.repository,
      signal,
    })

  async function resolveManifest(reference: ManifestReference, ask: Ask, known?: Artifact): Promise<Resolution> {
    const { signal, canDoWithout = false } = ask
    if (known && !isDigest(reference.pointer)) {
      const head = await manifestRequest(reference, 'HEAD', signal)
      await head.discard()
      const digest = digestOrUndefined(head.header('docker-content-digest'))
      if (head.status === 200 && digest !== undefined && known.digests.includes(digest))
        return { outcome: 'unchanged', freshUntil: clock.now() }
      if ([401, 429].includes(head.status)) throw statusFault(head)
      // Anything else is settled by GET: registries are known that answer a HEAD with 404, 405 or no digest and yet have
      // it, and a URL signed for GET answers a HEAD with 403.
    }
    // What is counted at Docker Hub is a GET of a manifest, and nothing else.
    const answer = await budget.spend(canDoWithout, () => manifestRequest(reference, 'GET', signal))
    if (answer.status === 200) return found(reference, answer, await answer.bytes(manifestLimit))
    await answer.discard()
    if (answer.status === 404) return { outcome: 'missing' }
    throw statusFault(answer)
  }

  function found(reference: ManifestReference, answer: HttpResponse, document: Uint8Array): Resolution {
    const url = redactUrl(answer.url)
    const digests = checkedDigests(reference, digestOrUndefined(answer.header('docker-content-digest')), document)
    const { mediaType } = withUrl(url, () => parseManifest(document, answer.header('content-type')))
    const now = clock.now()
    const artifact: Artifact = { reference, mediaType, size: document.length, digests, checkedAt: now, freshUntil: now }
    return { outcome: 'found', artifact, sources: [], document }
  }

  async function resolveBlob(reference: BlobReference, signal: AbortSignal): Promise<Resolution> {
    const request = { url: session.urlOf(`${reference.repository}/blobs/${reference.digest}`), repository: reference.repository }
    const head = await session.sendPatiently({ ...request, method: 'HEAD', signal })
    await head.discard()
    const length = head.status === 200 ? lengthOf(head) : undefined
    if (length !== undefined) return foundBlob(reference, length)
    if ([401, 429].includes(head.status)) throw statusFault(head)
    // Some answer a HEAD without a length, some with 403 or 404 for what they do have: one byte tells.
    const control = new AbortController()
    const either = AbortSignal.any([signal, control.signal])
    try {
      const first = await session.sendPatiently({ ...request, method: 'GET', headers: { range: 'bytes=0-0' }, signal: either })
      if (first.status === 404) return { outcome: 'missing' }
      if (first.status === 206) return foundBlob(reference, parseContentRange(first.header('content-range'))?.total)
      if (first.status === 416) return foundBlob(reference, 0)
      if (first.status === 200) return foundBlob(reference, lengthOf(first))
      throw statusFault(first)
    } finally {
      control.abort()
    }
  }

  function foundBlob(reference: BlobReference, size: number | undefined): Resolution {
    const now = clock.now()
    const artifact: Artifact = {
      reference,
      mediaType: octetStream,
      size,
      digests: [reference.digest],
      checkedAt: now,
      freshUntil: Number.POSITIVE_INFINITY,
    }
    return { outcome: 'found', artifact, sources: [sourceOf(reference)] }
  }

  /** By a HEAD; what is no yes is asked for again, as some answer a HEAD with 403 or 404 for what they do have. */
  async function admits(wanted: RegistryWanted, signal: AbortSignal): Promise<boolean> {
    const url = session.urlOf(pathOf(wanted))
    const request = { url, headers: { accept: `${manifestAccept}, application/json` }, repository: wanted.repository, signal }
    if (wanted.kind !== 'repository') {
      const head = await session.sendPatiently({ ...request, method: 'HEAD' })
      await head.discard()
      if (head.status === 200) return true
    }
    const answer = await session.sendPatiently({ ...request, method: 'GET' })
    answer.cancel()
    if (answer.status === 200) return true
    if (answer.status === 404) return false
    throw statusFault(answer)
  }

  const lists = createOciLists(session)
  return {
    id,
    isPublic: deps.isPublic,
    sourceOf,
    resolve: (reference, ask, known) =>
      circuit.run(() =>
        reference.kind === 'blob' ? resolveBlob(reference, ask.signal) : resolveManifest(reference, ask, known),
      ),
    read: (source, want, signal) => circuit.run(() => blobs.read(source, want, signal)),
    tags: (repository, page, ask) => circuit.run(() => lists.tags(repository, page, ask)),
    referrers: (repository, digest, filter, ask) => circuit.run(() => lists.referrers(repository, digest, filter, ask)),
    admits: (wanted, { signal }) => circuit.run(() => admits(wanted, signal)),
  }
}

function pathOf(wanted: RegistryWanted): string {
  const { repository } = wanted
  if (wanted.kind === 'repository') return `${repository}/tags/list?n=1`
  return wanted.kind === 'blob' ? `${repository}/blobs/${wanted.digest}` : `${repository}/manifests/${wanted.pointer}`
}

/** The digest asked for, or the one the registry names, and sha256; each compared with the bytes. @throws Fault 'corrupt' */
function checkedDigests(reference: ManifestReference, told: Digest | undefined, document: Uint8Array): readonly Digest[] {
  const claimed = isDigest(reference.pointer) ? reference.pointer : told
  const hash = (name: string) => createHash(name).update(document).digest('hex')
  const sha256 = digestOf('sha256', hash('sha256'))
  if (!claimed) return [sha256]
  const algorithm = algorithmOf(claimed)
  const actual = algorithm === 'sha256' ? sha256 : digestOf(algorithm, hash(algorithm))
  if (actual !== claimed) throw new Fault('corrupt', { what: `manifest ${reference.repository}`, expected: claimed, actual })
  return actual === sha256 ? [sha256] : [actual, sha256]
}

function withUrl<T>(url: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (isFault(error, 'upstream-invalid')) throw new Fault('upstream-invalid', { url, why: error.details.why })
    throw error
  }
}

function isFailure(error: unknown): boolean {
  return (
    isFault(error, 'upstream-unreachable', 'upstream-timeout') ||
    (isFault(error, 'upstream-status') && error.details.status >= 500)
  )
}
