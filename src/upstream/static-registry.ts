import {
  parseStaticManifest,
  parseStaticTags,
  printStaticPath,
  type StaticManifest,
  type StaticPath,
} from '../formats/static-registry.ts'
import type { Source } from '../model/artifact.ts'
import type { NameFacts, Told } from '../model/facts.ts'
import { Fault } from '../model/fault.ts'
import { octetStream } from '../model/media-type.ts'
import type { ImageName, NameReference } from '../model/reference.ts'
import { documentAt } from './document-at.ts'
import type { Listings, NameAnswer, NamedUpstream } from './upstream.ts'
import { createWebSession, type WebSessionDeps } from './web-session.ts'

const mostBytes = 4 * 1024 * 1024 // of one page

/**
 * A registry of static pages. A manifest says where the image is, often at several places, none of which is the registry:
 * they are asked in its order and without credentials, and the digest decides.
 */
export function createStaticUpstream(deps: WebSessionDeps): NamedUpstream & Pick<Listings, 'tags'> {
  const { id, isPublic } = deps
  const session = createWebSession(deps)

  /** A page, whatever media type it was served with; undefined where there is none. Pages redirect to their URL with a slash. */
  function page<T>(path: StaticPath, signal: AbortSignal, parse: (body: Uint8Array) => T): Promise<T | undefined> {
    const url = session.urlOf(printStaticPath(path))
    return documentAt(session, { url, accept: 'application/json, */*', mostBytes, parse }, signal)
  }

  async function resolve(reference: NameReference, signal: AbortSignal, known?: NameFacts): Promise<NameAnswer> {
    if (reference.kind !== 'image') throw new Fault('internal', { what: 'a file was asked of a static registry' })
    const { name, pointer } = reference
    const manifest = await page({ kind: 'manifest', name, pointer }, signal, parseStaticManifest)
    if (!manifest) return { outcome: 'missing' }
    const told = toldBy(manifest)
    return known && isSame(told, known) ? { outcome: 'unchanged' } : { outcome: 'found', told }
  }

  return {
    id,
    isPublic,
    resolve: (reference, { signal }, known) => resolve(reference, signal, known),
    sourcesOf: ({ urls }) => urls.map((url, at): Source => ({ url: new URL(url), via: id, priority: at + 1, place: 'learnt' })),
    read: (source, want, signal) => session.read(source.url, want, signal),
    async tags(repository, _page, { signal }) {
      const found = await page({ kind: 'tags', name: repository as string as ImageName }, signal, parseStaticTags)
      return found && { tags: found.tags, next: undefined }
    },
  }
}

function toldBy({ digest, sha256, urls }: StaticManifest): Told {
  return {
    claimed: sha256 ?? digest,
    size: undefined, // some count kilobytes
    mediaType: octetStream,
    validators: {},
    version: sha256 ?? digest,
    urls,
    about: { digest },
  }
}

function isSame(told: Told, known: NameFacts): boolean {
  const said = ({ version, claimed, urls, about }: Told) => JSON.stringify([version, claimed, urls, about])
  return said(told) === said(known)
}
