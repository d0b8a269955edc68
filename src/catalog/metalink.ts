import type { MetalinkFile, MetalinkUrl } from '../formats/metalink-document.ts'
import { toMetalinkName } from '../formats/metalink-names.ts'
import { isDocumentUrl } from '../formats/metalink-urls.ts'
import { printMetalink4 } from '../formats/metalink4.ts'
import { type Digest, hexOf } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { type BlobReference, type ManifestReference, type NameReference, placeOf, printReference } from '../model/reference.ts'
import type { Keeping, LinkedFile, Linking, PrintedMetalink } from './catalog.ts'

export interface MetalinkDeps {
  readonly catalog: Pick<Linking, 'homes' | 'fileLinks' | 'imageLinks'>
  readonly ownUrl: () => string | undefined // how clients reach us, without a slash at its end
  readonly generator: string // name/version
  readonly now: () => number
  /** @throws Fault 'not-found' where there is no key */
  readonly sign: (document: Uint8Array) => Promise<string>
}

type About = Pick<MetalinkFile, 'identity' | 'version'>

/** Writes metalinks: our own URL first, then the other places, best first. @see RFC 5854 */
export function createMetalink({ catalog, ownUrl, generator, now, sign }: MetalinkDeps): Keeping['metalink'] {
  const startedAt = now()

  /** Dates move with what the document says, so that the same is said in the same bytes. */
  function print(own: string, path: string, files: readonly LinkedFile[], about: About): string {
    const known = files.map(({ knownAt }) => knownAt).filter((at) => at > 0)
    const published = known.length > 0 ? Math.min(...known) : startedAt
    const hashed = files.map(({ pieces, knownAt }) => (pieces ? knownAt : 0))
    const signed = files.map(({ signature }) => signature?.keptAt ?? 0)
    const updated = Math.max(published, ...hashed, ...signed, ...files.flatMap(({ places }) => places.map(({ since }) => since)))
    const described = files.map((file) => describe(own, file, about))
    return printMetalink4({ generator, origin: own + path, published, updated, files: described })
  }

  async function ofBlob(own: string, reference: BlobReference, ask: Parameters<Linking['fileLinks']>[1]) {
    const file = await catalog.fileLinks(reference, ask)
    const path = `/blobs/${reference.digest.replace(':', '/')}.meta4`
    return { name: file.name, url: own + path, text: print(own, path, [file], {}) }
  }

  async function ofImage(
    own: string,
    reference: ManifestReference,
    platform: string | undefined,
    ask: Parameters<Linking['fileLinks']>[1],
  ) {
    const image = await catalog.imageLinks(reference, platform, ask)
    const query = platform === undefined ? '' : `?platform=${platform}`
    const path = `/metalink/${printReference(reference)}.meta4${query}`
    const identity = `${reference.upstream}/${reference.repository}`
    const about = { identity, ...(image.version === undefined ? {} : { version: image.version }) }
    return { name: image.name, url: own + path, text: print(own, path, image.files, about) }
  }

  async function ofName(own: string, reference: NameReference, ask: Parameters<Linking['fileLinks']>[1]) {
    const file = await catalog.fileLinks(reference, ask)
    const path = `/${reference.kind === 'file' ? 'files' : 'metalink'}/${printReference(reference)}.meta4`
    const { upstream, repository } = placeOf(reference)
    const version = reference.kind === 'image' ? { version: reference.pointer } : {}
    const about = { identity: `${upstream}/${repository}`, ...version }
    return { name: file.name, url: own + path, text: print(own, path, [file], about) }
  }

  async function homeOf(digest: Digest): Promise<BlobReference> {
    const [home] = await catalog.homes(digest)
    if (!home) throw new Fault('not-found', { what: digest, asked: ['this store'] })
    return home
  }

  async function unsigned(...[what, options, ask]: Parameters<Keeping['metalink']>): Promise<PrintedMetalink> {
    const own = options.own ?? ownUrl()
    if (own === undefined) throw new Fault('not-found', { what: 'a URL of ours for the metalink: publicUrl in the settings' })
    if (what.kind === 'manifest') return ofImage(own, what, options.platform, ask)
    if (what.kind === 'image' || what.kind === 'file') return ofName(own, what, ask)
    return ofBlob(own, what.kind === 'blob' ? what : await homeOf(what.digest), ask)
  }

  return async (what, options, ask) => {
    const printed = await unsigned(what, options, ask)
    return options.sign ? { ...printed, signature: await sign(Buffer.from(printed.text)) } : printed
  }
}

/** What a download of it is called: the last part of its path, or name and tag with the ending of a SIF. */
export function fileNameOf(reference: NameReference): string {
  const { repository } = placeOf(reference)
  const last = repository.slice(repository.lastIndexOf('/') + 1)
  if (reference.kind === 'file') return toMetalinkName(decodeURIComponent(last))
  return toMetalinkName(`${last}_${reference.pointer}.sif`)
}

function describe(own: string, { name, id, digests, size, pieces, places, signature }: LinkedFile, about: About): MetalinkFile {
  const ours: MetalinkUrl = { url: `${own}/blobs/sha256/${hexOf(id)}`, priority: 1 }
  const others = places
    .filter(({ url }) => isDocumentUrl(url.href))
    .map(
      ({ url, country }, at): MetalinkUrl => ({ url: url.href, priority: at + 2, ...(country === undefined ? {} : { country }) }),
    )
  return {
    name,
    size,
    digests,
    ...(pieces ? { pieces: { ...pieces, algorithm: 'sha256' } } : {}),
    urls: [ours, ...others],
    ...(signature ? { signature: signature.armored } : {}),
    ...about,
  }
}
