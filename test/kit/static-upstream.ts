import type { Digest } from '../../src/model/digest.ts'
import { digestOfBytes } from './blobs.ts'
import { createFakeWeb, type FakeWeb, page, redirectTo } from './upstream/fake-web.ts'

export interface StaticImageOptions {
  readonly algorithm?: 'md5' | 'sha256' // `md5` unless said
  readonly digest?: Digest // that of the bytes unless said
  /** Paths on the file server, best first, with or without a file behind them; one that has the bytes unless said. */
  readonly at?: readonly string[]
  readonly urls?: readonly string[] // as they stand in the manifest, instead of those
}

/** Static pages on loopback that are a registry, and a server of what its CI built. */
export interface FakeStatic extends FakeWeb {
  readonly base: string // URL of the registry, with its path
  /** `namespace:tag` */
  push(reference: string, bytes: Uint8Array, options?: StaticImageOptions): void
  /** Puts a file on the file server, or takes it away. */
  put(path: string, bytes: Uint8Array | undefined): void
}

const folder = '/container-storage'

export async function createFakeStatic(): Promise<FakeStatic> {
  const manifests = new Map<string, object>()
  const files = new Map<string, Buffer>()

  function manifestOf(bytes: Uint8Array, { algorithm = 'md5', at, digest, urls }: StaticImageOptions, path: string): object {
    const kilobytes = Math.round(bytes.length / 1024) // as its CI counts
    const told = digest ?? digestOfBytes(bytes, algorithm)
    const image = { size: kilobytes, digest: told }
    return {
      schemaVersion: 2,
      mediaType: 'application/vnd.singularity.distribution.manifest.v2+json',
      config: { mediaType: 'application/vnd.singularity.container.image.v1+json', ...image },
      layers: [
        {
          mediaType: 'application/vnd.singularity.image.squashfs',
          ...image,
          urls: urls ?? (at ?? [path]).map((one) => web.files.url + one),
        },
      ],
    }
  }

  /** Pages are served at their URL with a slash, as the HTML they were made as. */
  function registry(path: string) {
    const [, name = '', what, tag] = /^\/container-storage\/(.+)\/(?:(manifests)\/([^/]+)|tags)\/?$/.exec(path) ?? []
    const tags = [...manifests.keys()].filter((one) => one.startsWith(`${name}:`)).map((one) => one.slice(name.length + 1))
    const document = what ? manifests.get(`${name}:${tag}`) : tags.length > 0 && { name, tags: [...tags, 'README.md'] }
    if (!document) return page(404, 'Site not found')
    if (!path.endsWith('/')) return redirectTo(`${path}/`, 301)
    return { ...page(200, ''), bytes: Buffer.from(`\n${JSON.stringify(document, undefined, 1)}\n`) }
  }

  function file(path: string) {
    const bytes = files.get(path)
    return bytes ? { status: 200, headers: { etag: `"${digestOfBytes(bytes)}"` }, bytes, ranged: true } : page(404, 'Not Found')
  }

  const web = await createFakeWeb(({ on, path }) => (on === 'cdn' ? file(path) : registry(path)))

  return {
    ...web,
    get bodies() {
      return web.bodies
    },
    base: web.url + folder,
    push(reference, bytes, options = {}) {
      const path = `/artifacts/${reference.replaceAll(/[/:]/g, '-')}.simg`
      if (!options.at && !options.urls) files.set(path, Buffer.from(bytes))
      manifests.set(reference, manifestOf(bytes, options, path))
    },
    put(path, bytes) {
      if (bytes) files.set(path, Buffer.from(bytes))
      else files.delete(path)
    },
  }
}
