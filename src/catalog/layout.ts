import { toMetalinkName } from '../formats/metalink-names.ts'
import { type Descriptor, parseManifest } from '../formats/oci.ts'
import { asBlobId, type Digest, hexOf } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { ociIndex, sifLayer } from '../model/media-type.ts'
import type { Ask } from '../model/principal.ts'
import { isDigest, type ManifestReference, type Repository } from '../model/reference.ts'
import type { ImageLinks } from './catalog.ts'
import type { Documents } from './documents.ts'
import type { Place } from './knowledge.ts'
import type { Links } from './links.ts'
import type { Manifests } from './manifests.ts'

const deepest = 4
const mostManifests = 200 // of one image

export interface LayoutDeps {
  readonly manifests: Manifests
  readonly documents: Pick<Documents, 'keepOwn'>
  readonly isPublic: (place: Place) => boolean
  readonly links: Links
  readonly platform: string // os/arch of an index that is meant where nobody says
}

interface Found {
  readonly descriptor: Pick<Descriptor, 'digest' | 'size' | 'mediaType'>
  readonly children: readonly Descriptor[]
  readonly kind: 'manifest' | 'index'
}

/**
 * What a download of the image is made of. Only manifests are fetched for it: they say everything of the blobs.
 *
 * @see OCI image-spec, image-layout.md
 */
export function createLayout({ manifests, documents, isPublic, links, platform: own }: LayoutDeps) {
  async function read(reference: ManifestReference, ask: Ask): Promise<Found> {
    const { artifact, bytes: source } = await manifests.open(reference, ask)
    await using opened = source
    const bytes = new Uint8Array(opened.size ?? 0)
    for (let at = 0; at < bytes.length; ) at += (await opened.read(bytes.subarray(at), at, ask.signal)) || bytes.length
    const { children, kind } = parseManifest(bytes, artifact.mediaType)
    return {
      descriptor: { digest: artifact.digests[0]!, size: bytes.length, mediaType: artifact.mediaType },
      children,
      kind,
    }
  }

  /** The manifest of that platform below an index; indexes may nest. */
  async function descend(place: Place, top: Found, wanted: string, ask: Ask): Promise<Found> {
    let at = top
    for (let depth = 0; at.kind === 'index'; depth++) {
      const child = at.children.find((one) => fits(one, wanted)) ?? at.children.find((one) => one.platform === undefined)
      if (!child || depth >= deepest) {
        const there = at.children.flatMap((one) => printPlatform(one) ?? []).join(', ')
        throw new Fault('not-found', {
          what: `a manifest for ${wanted} (there are ${there || 'none with a platform'})`,
          asked: [place.upstream],
        })
      }
      at = await read({ kind: 'manifest', ...place, pointer: child.digest }, ask)
    }
    return at
  }

  /** The index and everything below it, each once. @throws Fault 'upstream-invalid' when that is more than anybody means */
  async function everything(place: Place, top: Found, ask: Ask): Promise<readonly Found[]> {
    const found = new Map([[top.descriptor.digest, top]])
    for (const one of found.values()) {
      for (const { digest } of one.kind === 'index' ? one.children : []) {
        if (found.has(digest)) continue
        if (found.size >= mostManifests) throw tooMany(place)
        found.set(digest, await read({ kind: 'manifest', ...place, pointer: digest }, ask))
      }
    }
    return [...found.values()]
  }

  return async (reference: ManifestReference, wanted: string | undefined, ask: Ask): Promise<ImageLinks> => {
    const { upstream, repository, pointer } = reference
    const place: Place = { upstream, repository }
    const top = await read(reference, ask)
    const version = isDigest(pointer) ? undefined : pointer
    const name = nameOf(repository, pointer)
    const found = wanted === 'all' ? await everything(place, top, ask) : [await descend(place, top, wanted ?? own, ask)]
    const [first] = found as [Found]
    const about = {
      digest: top.descriptor.digest,
      repository,
      version,
      platforms: top.children.flatMap((one) => printPlatform(one) ?? []),
    }

    const sif = first.kind === 'manifest' ? first.children.find(({ mediaType }) => mediaType === sifLayer) : undefined
    if (sif) {
      await links.prove(place, [sif], ask)
      return { ...about, name, files: [await links.describe(place, { ...sif, name: `${name}.sif` })] }
    }

    const parts = unique(
      found.flatMap(({ descriptor, children, kind }) => [descriptor, ...(kind === 'manifest' ? children : [])]),
    )
    await links.prove(place, parts, ask)
    const named = parts.map((part) => links.describe(place, { ...part, name: `${name}/blobs/${sha256Of(part.digest)}` }))
    const made = [layoutFile(), indexFile(first.descriptor, version ?? shortOf(pointer as Digest))]
    const generated = made.map(async ({ file, text }) => {
      const id = await documents.keepOwn(place, Buffer.from(text), isPublic(place))
      return links.describe(place, { digest: id, size: Buffer.byteLength(text), name: `${name}/${file}` })
    })
    return { ...about, name, files: await Promise.all([...generated, ...named]) }
  }
}

function layoutFile() {
  return { file: 'oci-layout', text: '{"imageLayoutVersion":"1.0.0"}' }
}

function indexFile({ digest, size, mediaType }: Found['descriptor'], name: string) {
  const manifest = { mediaType, digest, size, annotations: { 'org.opencontainers.image.ref.name': name } }
  return { file: 'index.json', text: JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [manifest] }) }
}

function unique<T extends { readonly digest: Digest }>(parts: readonly T[]): readonly T[] {
  return [...new Map(parts.map((part) => [part.digest, part])).values()]
}

function tooMany({ upstream, repository }: Place): Fault {
  return new Fault('upstream-invalid', {
    url: `${upstream}/${repository}`,
    why: `its index leads to more than ${mostManifests} manifests`,
  })
}

/** A layout names its files by the digest that the manifest uses. */
function sha256Of(digest: Digest): string {
  return asBlobId(digest) ? `sha256/${hexOf(digest)}` : digest.replace(':', '/')
}

function nameOf(repository: Repository, pointer: string): string {
  const last = repository.slice(repository.lastIndexOf('/') + 1)
  return toMetalinkName(`${last}_${pointer.includes(':') ? shortOf(pointer as Digest) : pointer}`)
}

function shortOf(digest: Digest): string {
  return hexOf(digest).slice(0, 12)
}

/** `linux/arm64` also means its variants where no exact one is there. */
function fits(one: Descriptor, wanted: string): boolean {
  const printed = printPlatform(one)
  return printed === wanted || (printed?.startsWith(`${wanted}/`) ?? false)
}

function printPlatform({ platform }: Descriptor): string | undefined {
  return platform && [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
}
