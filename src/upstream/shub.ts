import { createHash } from 'node:crypto'
import { parseLibraryError } from '../formats/library-service.ts'
import { listShubAbout, parseShubManifest, readShubAbout, type ShubManifest } from '../formats/shub.ts'
import { printShubPath } from '../formats/shub-path.ts'
import type { Source } from '../model/artifact.ts'
import { algorithmOf, isStrong } from '../model/digest.ts'
import type { NameFacts, Told } from '../model/facts.ts'
import { Fault } from '../model/fault.ts'
import { octetStream } from '../model/media-type.ts'
import type { NameReference } from '../model/reference.ts'
import { redactUrl } from '../system/redact.ts'
import { documentAt } from './document-at.ts'
import { lookUp } from './look-up.ts'
import { createShubImages, type ImageLook } from './shub-image.ts'
import type { Lookups, NameAnswer, NamedUpstream, SourceBody } from './upstream.ts'
import { createWebSession, type WebSessionDeps } from './web-session.ts'

const mostBytes = 1024 * 1024 // of what it says of one image

/**
 * A registry that speaks the API of Singularity Hub: its archive, sregistry, hinkskalle, another one of us. Where an image is
 * it says in its manifest; that may be a secret and soon expire, so it is asked for at each read and nowhere kept.
 */
export function createShubUpstream(deps: WebSessionDeps): NamedUpstream & Lookups {
  const { id, isPublic, clock } = deps
  const session = createWebSession({ ...deps, messageIn: parseLibraryError })
  const images = createShubImages(deps)
  const meant = new WeakMap<Source, NameFacts>()

  /** Undefined where there is no such image. */
  function manifestAt(url: URL, signal: AbortSignal): Promise<ShubManifest | undefined> {
    return documentAt(session, { url, accept: 'application/json', mostBytes, parse: parseShubManifest }, signal)
  }

  function toldBy(url: URL, manifest: ShubManifest, { validators, size }: ImageLook): Told {
    return {
      claimed: manifest.digest,
      size,
      mediaType: octetStream,
      validators,
      version: versionOf(url, manifest, validators) ?? `at ${clock.now()}`,
      urls: [],
      about: listShubAbout(manifest),
    }
  }

  async function resolve(reference: NameReference, signal: AbortSignal, known?: NameFacts): Promise<NameAnswer> {
    const url = urlOf(reference)
    const manifest = await manifestAt(url, signal)
    if (!manifest) return { outcome: 'missing' }
    // Where nothing tells what the bytes are, the place of the bytes may tell when they are others.
    const seen = manifest.digest ? nothingSeen : await images.look(manifest.image, url, signal)
    const told = toldBy(url, manifest, seen)
    // The registry has hashed it meanwhile, and we have too: for clients it is what it was.
    const same = known && told.claimed && known.id === told.claimed ? { ...told, version: known.version } : told
    return known && isSame(same, known) ? { outcome: 'unchanged' } : { outcome: 'found', told: same }
  }

  /** @throws Fault 'source-changed' where the manifest is that of other bytes now */
  function demandMeant(url: URL, manifest: ShubManifest, facts: NameFacts): void {
    const { claimed, version, validators } = facts
    const { digest } = manifest
    const isOther = claimed
      ? digest !== undefined && digest !== claimed && algorithmOf(digest) === algorithmOf(claimed)
      : !isUntold(version) && versionOf(url, manifest, validators) !== version
    if (isOther) throw new Fault('source-changed', { url: redactUrl(url), why: 'it names another image now' })
  }

  async function read(source: Source, want: Parameters<NamedUpstream['read']>[1], signal: AbortSignal): Promise<SourceBody> {
    const { url } = source
    const manifest = await manifestAt(url, signal)
    if (!manifest) throw new Fault('not-found', { what: redactUrl(url) })
    const facts = meant.get(source)
    if (facts) demandMeant(url, manifest, facts)
    const mine = new AbortController()
    const answer = await images.read(manifest.image, url, want, AbortSignal.any([signal, mine.signal]))
    const expected = facts && !facts.claimed ? validatorOf(facts) : undefined
    if ((answer.validator ?? expected) === expected || expected === undefined) return answer
    mine.abort()
    throw new Fault('source-changed', { url: redactUrl(url), why: 'its image is another one now' })
  }

  function urlOf(reference: NameReference): URL {
    if (reference.kind !== 'image') throw new Fault('internal', { what: 'a file was asked of a shub registry' })
    return session.urlOf(`api/container/${printShubPath(reference)}`)
  }

  return {
    id,
    isPublic,
    sourcesOf(facts) {
      const source: Source = { url: urlOf(facts.reference), via: id, priority: 500_000 }
      meant.set(source, facts)
      return [source]
    },
    resolve: (reference, { signal }, known) => resolve(reference, signal, known),
    read,
    lookup: (question, signal) => lookUp(session, question, signal),
  }
}

const nothingSeen: ImageLook = { validators: {}, size: undefined }

/** Differs wherever the bytes may differ; undefined where nothing tells. A commit alone does not: it is built from again. */
function versionOf(url: URL, manifest: ShubManifest, { etag, lastModified }: ImageLook['validators']): string | undefined {
  const { digest, version, commit, image } = manifest
  if (isStrong(digest)) return digest
  if ([digest, version, etag, lastModified].every((one) => one === undefined)) return undefined
  const { origin, pathname } = new URL(image) // the rest of it may be of this answer only
  const known = [url.href, origin, pathname, digest ?? version, commit, etag, lastModified].map((one) => one ?? null)
  return createHash('sha256').update(JSON.stringify(known)).digest('hex')
}

function isUntold(version: string): boolean {
  return version.startsWith('at ')
}

/** As `SourceBody` has it. */
function validatorOf({ validators: { etag, lastModified } }: NameFacts): string | undefined {
  return etag?.startsWith('"') ? etag : lastModified
}

function isSame(told: Told, known: NameFacts): boolean {
  const said = ({ version, claimed, about }: Told) => JSON.stringify([version, claimed, readShubAbout(about)])
  return said(told) === said(known)
}
