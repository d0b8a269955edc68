import type { OutgoingHttpHeaders } from 'node:http'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { ociManifest } from '../../src/model/media-type.ts'
import { type AskOptions, ask } from './ask.ts'
import { blob, type Content, digestOfBytes, json } from './blobs.ts'
import { describeBlob, documentLink } from './described-blob.ts'
import { type House, startHouse } from './house.ts'
import { describe } from './images.ts'
import { openPgpFile } from './openpgp.ts'
import type { Answer } from './upstream/answer.ts'
import { createFakeWeb, type FakeWeb, page } from './upstream/fake-web.ts'

/** An upstream of every kind, all of them one web server that says what a test puts into its mouth. */
export interface Scene extends AsyncDisposable {
  readonly house: House
  readonly server: FakeWeb
  put(path: string, what: { status?: number; headers?: OutgoingHttpHeaders; body?: string | Uint8Array }): void
  redirect(path: string, url: string): void
  /** Asks the house, and waits for all of the answer. */
  get(path: string, options?: AskOptions): Promise<void>
}

/** How a URL that we were told gets us to dial it, if we let it. */
export interface Way {
  readonly name: string
  /** `redirect`: anywhere that is public. `named`: public and https, or a place of the settings. `never`: nobody goes there. */
  readonly follows: 'redirect' | 'named' | 'never'
  /** What went wrong, or right, before is remembered for a while: each URL needs a house that knows nothing yet. */
  readonly isOnce?: true
  /** Tells of the URL as this way does, and asks for what leads there. `at`: another number each time, for names. */
  lead(scene: Scene, url: string, at: number): Promise<unknown>
}

const layerOf = (at: number): Content => blob(2000 + at, `layer ${at}`)
const hex = (content: Content) => content.digest.replace('sha256:', '')

export async function createScene(allow: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Scene> {
  const pages = new Map<string, Answer>()
  const server = await createFakeWeb(({ path, method }) => pages.get(`${method} ${path}`) ?? pages.get(path) ?? page(404, 'none'))
  const at = (path: string) => server.url + path
  const signatures = { keys: [openPgpFile('publisher.pub.asc')], required: true }
  const house = await startHouse({
    upstreams: {
      registry: { url: server.url },
      mirrored: { url: at('/origin'), mirrors: [{ url: at('/mirror') }] },
      siblings: { url: at('/origin'), mirrors: [{ kind: 'forebay', url: at('/sibling') }] },
      library: { kind: 'library', url: at('/library') },
      keys: { kind: 'library', url: at('/library'), keyserver: at('/keys') },
      hub: { kind: 'shub', url: at('/hub') },
      pages: { kind: 'static', url: at('/pages') },
      files: { kind: 'files', url: at('/files'), metalink: true },
      signed: { kind: 'files', url: at('/signed'), checksums: false, signatures },
    },
    defaults: { library: 'library' },
    outbound: { allow, connectTimeout: '2s' },
    more: { catalog: { negativeFor: '0s' } },
    env,
  })
  const put: Scene['put'] = (path, { status = 200, headers = {}, body = '' }) =>
    void pages.set(path, { status, headers, bytes: Buffer.from(body), ranged: true })
  return {
    house,
    server,
    put,
    redirect: (path, url) => put(path, { status: 307, headers: { location: url } }),
    async get(path, options) {
      await ask(house.url + path, options)
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await house.stop()
    },
  }
}

/** What only who owns the house may ask. */
async function command({ house }: Scene, path: string, body = ''): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const socketPath = join(house.storePath, 'command.sock')
  const request = httpRequest({ socketPath, path, method: 'POST', agent: false }, (reply) => resolve(text(reply)))
  request.once('error', reject)
  request.end(body)
  await promise
}

function metalinkOf(at: number, ...elements: readonly string[]): string {
  return describeBlob(layerOf(at), ['https://nowhere.invalid/x']).replace(/<url.*<\/url>/s, elements.join(''))
}

/** A manifest of one layer, told by the registry, and shown to a client. */
async function showManifest(scene: Scene, upstream: string, base: string, at: number, urls?: readonly string[]): Promise<void> {
  const config = json({}, 'application/vnd.oci.image.config.v1+json')
  const layers = [{ ...describe(layerOf(at)), ...(urls && { urls }) }]
  const { bytes, digest } = json({ schemaVersion: 2, mediaType: ociManifest, config: describe(config), layers }, ociManifest)
  scene.put(`${base}/v2/a/manifests/${digest}`, { headers: { 'content-type': ociManifest }, body: bytes })
  await scene.get(`/v2/${upstream}/a/manifests/${digest}`)
}

function putImage(scene: Scene, at: number): void {
  const data = { id: at, hash: `sha256.${hex(layerOf(at))}`, uploaded: true, arch: 'amd64' }
  scene.put(`/library/v1/images/e/c/n:t${at}`, { body: JSON.stringify({ data }) })
}

function putShubImage(scene: Scene, at: number, image: string): void {
  const version = digestOfBytes(layerOf(at).bytes, 'md5').slice('md5:'.length)
  scene.put(`/hub/api/container/c/n:t${at}`, {
    body: JSON.stringify({ image, name: 'n', collection: 'c', tag: `t${at}`, version }),
  })
}

function putStatic(scene: Scene, at: number, urls: readonly string[]): void {
  const layer = { digest: layerOf(at).digest, size: 2, urls }
  scene.put(`/pages/a/b/manifests/t${at}`, { body: JSON.stringify({ schemaVersion: 2, layers: [layer] }) })
}

function putKeyserver(scene: Scene, services: object): void {
  scene.put('/library/assets/config/config.prod.json', { body: JSON.stringify(services) })
}

const keys = (scene: Scene, at: number, face = '') =>
  scene.get(`${face}/pks/lookup?op=get&options=mr&search=0x${at.toString(16).padStart(40, '0')}`)

function putSigned(scene: Scene, at: number, link?: string): void {
  scene.put(`/signed/f${at}`, { headers: { etag: `"${at}"`, ...(link !== undefined && { link }) }, body: layerOf(at).bytes })
}

/** All ways by which what somebody else says becomes a URL that is dialled. Pieces and swarms have tests of their own. */
export const ways: readonly Way[] = [
  {
    name: 'a redirect of a manifest',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect(`/v2/a/manifests/t${at}`, url)
      await scene.get(`/v2/registry/a/manifests/t${at}`)
    },
  },
  {
    name: 'a redirect of what asks whether a blob is there',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect(`/v2/a/blobs/${layerOf(at).digest}`, url)
      await scene.get(`/v2/registry/a/blobs/${layerOf(at).digest}`, { method: 'HEAD' })
    },
  },
  {
    name: 'a redirect of the bytes of a blob',
    follows: 'redirect',
    async lead(scene, url, at) {
      const path = `/v2/a/blobs/${layerOf(at).digest}`
      scene.put(`HEAD ${path}`, { body: layerOf(at).bytes })
      scene.redirect(path, url)
      await scene.get(`/v2/registry/a/blobs/${layerOf(at).digest}`)
    },
  },
  {
    name: 'a redirect of a list of tags',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect(`/v2/a${at}/tags/list`, url)
      await scene.get(`/v2/registry/a${at}/tags/list`)
    },
  },
  {
    name: 'a redirect of referrers',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect(`/v2/a/referrers/${layerOf(at).digest}`, url)
      await scene.get(`/v2/registry/a/referrers/${layerOf(at).digest}`)
    },
  },
  {
    name: 'the next page of tags, in a Link field',
    follows: 'never',
    async lead(scene, url, at) {
      scene.put(`/v2/a${at}/tags/list`, { headers: { link: `<${url}>; rel="next"` }, body: '{"name":"a","tags":["t"]}' })
      await scene.get(`/v2/registry/a${at}/tags/list?n=1`)
    },
  },
  {
    name: 'the next page of referrers, in a Link field',
    follows: 'never',
    async lead(scene, url, at) {
      const { digest } = layerOf(at)
      scene.put(`/v2/a/referrers/${digest}`, { headers: { link: `<${url}>; rel="next"` }, body: '{"manifests":[]}' })
      await scene.get(`/v2/registry/a/referrers/${digest}`)
    },
  },
  {
    name: 'the token service of a challenge',
    follows: 'redirect',
    async lead(scene, url, at) {
      const challenge = `Bearer realm="${url}",service="s"`
      scene.put(`/v2/a/manifests/t${at}`, { status: 401, headers: { 'www-authenticate': challenge } })
      await scene.get(`/v2/registry/a/manifests/t${at}`)
    },
  },
  {
    name: 'a redirect of the token service',
    follows: 'redirect',
    async lead(scene, url, at) {
      const challenge = `Bearer realm="${scene.server.url}/token${at}"`
      scene.put(`/v2/a${at}/manifests/t`, { status: 401, headers: { 'www-authenticate': challenge } })
      scene.redirect(`/token${at}`, url)
      await scene.get(`/v2/registry/a${at}/manifests/t`)
    },
  },
  {
    name: 'a redirect of the front door of a registry',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.put(`/v2/a/manifests/t${at}`, { status: 401 })
      scene.redirect('/v2/', url)
      await scene.get(`/v2/registry/a/manifests/t${at}`)
    },
  },
  {
    name: 'the place of a layer, in its manifest',
    follows: 'named',
    async lead(scene, url, at) {
      await showManifest(scene, 'registry', '', at, [url])
      await scene.get(`/v2/registry/a/blobs/${layerOf(at).digest}`)
    },
  },
  {
    name: 'a redirect of the place of a layer',
    follows: 'redirect',
    async lead(scene, url, at) {
      await showManifest(scene, 'registry', '', at, [`${scene.server.url}/layer${at}`])
      scene.redirect(`/layer${at}`, url)
      await scene.get(`/v2/registry/a/blobs/${layerOf(at).digest}`)
    },
  },
  {
    name: 'a redirect of a mirror',
    follows: 'redirect',
    isOnce: true,
    async lead(scene, url, at) {
      const { digest, bytes } = layerOf(at)
      scene.put(`/origin/v2/a/blobs/${digest}`, { body: bytes })
      scene.redirect(`/v2/mirror/a/blobs/${digest}`, url)
      await scene.get(`/v2/mirrored/a/blobs/${digest}`)
    },
  },
  {
    name: 'a redirect of another Forebay',
    follows: 'redirect',
    isOnce: true,
    async lead(scene, url, at) {
      const { digest, bytes } = layerOf(at)
      scene.put(`/origin/v2/a/blobs/${digest}`, { body: bytes })
      scene.redirect(`/sibling/blobs/sha256/${hex(layerOf(at))}`, url)
      await scene.get(`/v2/siblings/a/blobs/${digest}`)
    },
  },
  {
    name: 'a redirect of a mirror that is asked whether it holds a blob',
    follows: 'redirect',
    isOnce: true,
    async lead(scene, url, at) {
      const { digest, bytes } = layerOf(at)
      scene.put(`/v2/mirror/a/blobs/${digest}`, { body: bytes })
      scene.put(`/origin/v2/a/blobs/${digest}`, { body: bytes })
      await scene.get(`/v2/mirrored/a/blobs/${digest}`)
      scene.redirect(`HEAD /v2/mirror/a/blobs/${digest}`, url)
      await scene.get(`/blobs/sha256/${hex(layerOf(at))}.meta4`)
    },
  },
  {
    name: 'a redirect of what a library says of an image',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect(`/library/v1/images/e/c/n:t${at}`, url)
      await scene.get(`/v1/images/e/c/n:t${at}`)
    },
  },
  {
    name: 'a redirect of the bytes of a library, as to its store',
    follows: 'redirect',
    async lead(scene, url, at) {
      putImage(scene, at)
      scene.redirect(`/library/v1/imagefile/e/c/n:sha256.${hex(layerOf(at))}`, url)
      scene.redirect(`/library/v1/imagefile/e/c/n:t${at}`, url)
      await scene.get(`/v1/imagefile/e/c/n:t${at}`)
    },
  },
  {
    name: 'a redirect of the search of a library',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect('/library/v1/search', url)
      await scene.get(`/v1/search?value=tool${at}`)
    },
  },
  {
    name: 'the keyserver that a library names',
    follows: 'named',
    isOnce: true,
    async lead(scene, url, at) {
      putKeyserver(scene, { keystoreAPI: { uri: url } })
      await keys(scene, at)
    },
  },
  {
    name: 'the other services that a library names',
    follows: 'never',
    isOnce: true,
    async lead(scene, url, at) {
      const other = { uri: url }
      putKeyserver(scene, { libraryAPI: other, builderAPI: other, tokenAPI: other, consentAPI: other })
      await keys(scene, at)
      await scene.get('/assets/config/config.prod.json')
    },
  },
  {
    name: 'a redirect of where a library names its services',
    follows: 'redirect',
    isOnce: true,
    async lead(scene, url, at) {
      scene.redirect('/library/assets/config/config.prod.json', url)
      await keys(scene, at)
    },
  },
  {
    name: 'a redirect of a keyserver',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect('/keys/pks/lookup', url)
      await keys(scene, at, '/library/keys')
    },
  },
  {
    name: 'a redirect of a manifest of shub',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect(`/hub/api/container/c/n:t${at}`, url)
      await scene.get(`/shub/hub/api/container/c/n:t${at}`)
    },
  },
  {
    name: 'the next page of the collections of shub',
    follows: 'never',
    async lead(scene, url, at) {
      const collection = { id: at, name: `c${at}`, containers: [{ name: 'n', tag: 't' }] }
      const body = JSON.stringify({ count: 2, next: url, previous: null, results: [collection] })
      scene.put('/hub/api/collections/', { body })
      await scene.get('/shub/hub/api/collections/', { headers: { 'cache-control': 'no-cache' } })
    },
  },
  {
    name: 'the image that a manifest of shub names',
    follows: 'named',
    async lead(scene, url, at) {
      putShubImage(scene, at, url)
      await scene.get(`/shub/hub/api/container/c/n:t${at}`)
      await scene.get(`/shub/hub/image/c/n:t${at}`)
    },
  },
  {
    name: 'a redirect of an image of shub',
    follows: 'redirect',
    async lead(scene, url, at) {
      putShubImage(scene, at, `${scene.server.url}/image${at}`)
      scene.put(`HEAD /image${at}`, { body: layerOf(at).bytes })
      scene.redirect(`/image${at}`, url)
      await scene.get(`/shub/hub/image/c/n:t${at}`)
    },
  },
  {
    name: 'a redirect of a page of a static registry',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect(`/pages/a/b/manifests/t${at}`, url)
      await scene.get(`/static/pages/a/b/manifests/t${at}`)
    },
  },
  {
    name: 'the place that a static registry names',
    follows: 'named',
    async lead(scene, url, at) {
      putStatic(scene, at, [url])
      await scene.get(`/static/pages/a/b/blobs/t${at}`)
    },
  },
  {
    name: 'a redirect of the place that a static registry names',
    follows: 'redirect',
    async lead(scene, url, at) {
      putStatic(scene, at, [`${scene.server.url}/layer${at}`])
      scene.redirect(`/layer${at}`, url)
      await scene.get(`/static/pages/a/b/blobs/t${at}`)
    },
  },
  {
    name: 'a redirect of a file',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect(`/files/f${at}`, url)
      await scene.get(`/files/files/f${at}`)
    },
  },
  {
    name: 'a redirect of the bytes of a file',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.put(`HEAD /files/f${at}`, { headers: { etag: '"1"' }, body: layerOf(at).bytes })
      scene.redirect(`/files/f${at}`, url)
      await scene.get(`/files/files/f${at}`)
    },
  },
  ...['f.sha256', 'f.sha512', 'SHA256SUMS', 'f.meta4'].map(
    (beside): Way => ({
      name: `a redirect of ${beside} beside a file`,
      follows: 'redirect',
      async lead(scene, url, at) {
        scene.put(`/files/d${at}/f`, { headers: { etag: '"1"' }, body: layerOf(at).bytes })
        scene.redirect(`/files/d${at}/${beside}`, url)
        await scene.get(`/files/files/d${at}/f`)
      },
    }),
  ),
  {
    name: 'the place that the metalink beside a file names',
    follows: 'named',
    async lead(scene, url, at) {
      const whole = layerOf(at).bytes
      scene.put(`HEAD /files/f${at}`, { headers: { etag: '"1"' }, body: whole })
      scene.put(`/files/f${at}.meta4`, { body: metalinkOf(at, `<url priority="1">${url}</url>`) })
      scene.put(`/files/f${at}`, { status: 403 })
      await scene.get(`/files/files/f${at}`)
      await command(scene, '/admin/get-files?from=x', metalinkOf(at, `<url priority="1">${url}</url>`))
    },
  },
  {
    name: 'the metalink that a metalink names',
    follows: 'never',
    async lead(scene, url, at) {
      const nested = `<metaurl mediatype="application/metalink4+xml">${url}</metaurl>`
      await command(scene, '/admin/get-files?from=x', metalinkOf(at, nested))
      await command(scene, '/admin/get-files?from=x', metalinkOf(at, nested, `<url>${scene.server.url}/nothing</url>`))
    },
  },
  {
    name: 'the metalink that somebody names',
    follows: 'named',
    lead: (scene, url) => command(scene, `/admin/get-files?url=${encodeURIComponent(url)}`),
  },
  {
    name: 'a redirect of the metalink that somebody names',
    follows: 'redirect',
    async lead(scene, url, at) {
      scene.redirect(`/x${at}.meta4`, url)
      await command(scene, `/admin/get-files?url=${encodeURIComponent(`${scene.server.url}/x${at}.meta4`)}`)
    },
  },
  {
    name: 'a redirect of the signature beside a file',
    follows: 'redirect',
    async lead(scene, url, at) {
      putSigned(scene, at)
      scene.redirect(`/signed/f${at}.asc`, url)
      await scene.get(`/files/signed/f${at}`)
    },
  },
  {
    name: 'the signature that an answer points to',
    follows: 'named',
    async lead(scene, url, at) {
      putSigned(scene, at, `<${url}>; rel=describedby; type="application/pgp-signature"`)
      await scene.get(`/files/signed/f${at}`)
    },
  },
  {
    name: 'a redirect of the signature that an answer points to',
    follows: 'redirect',
    async lead(scene, url, at) {
      putSigned(scene, at, `<${scene.server.url}/signature${at}>; rel=describedby; type="application/pgp-signature"`)
      scene.redirect(`/signature${at}`, url)
      await scene.get(`/files/signed/f${at}`)
    },
  },
  {
    name: 'the metalink that an answer points to',
    follows: 'named',
    async lead(scene, url, at) {
      putSigned(scene, at, documentLink(url))
      await scene.get(`/files/signed/f${at}`)
    },
  },
]
