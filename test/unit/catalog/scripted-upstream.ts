import type { Resolution } from '../../../src/model/artifact.ts'
import type { Digest } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import { isDigest, type UpstreamId } from '../../../src/model/reference.ts'
import type { OciUpstream, Referrers, TagPage } from '../../../src/upstream/upstream.ts'
import type { Content } from '../../kit/blobs.ts'
import type { HandClock } from '../../kit/hand-clock.ts'
import type { Image } from '../../kit/images.ts'
import { createShelves, type Shelves } from '../../kit/upstream/shelves.ts'

/** An upstream without a network: it answers from shelves, or as it is told. */
export interface ScriptedUpstream
  extends OciUpstream,
    Pick<Shelves, 'push' | 'pushBlob' | 'pushManifest' | 'untag' | 'removeBlob'> {
  /** Questions as they came: `tag v1`, `tag v1?` where something was known, `manifest <digest>`, `blob …`, `body …`. */
  readonly asked: string[]
  /** What every question ends with from now on; undefined: an answer again. */
  fails: Fault | undefined
  /** Questions wait until the returned function is called. */
  hold(): () => void
  pages: TagPage | undefined
  referrersOf: Referrers | undefined
}

export function createScriptedUpstream(id: UpstreamId, clock: HandClock, isPublic = true): ScriptedUpstream {
  const shelves = createShelves()
  const asked: string[] = []
  let gate: Promise<void> = Promise.resolve()

  async function hear(what: string): Promise<void> {
    asked.push(what)
    await gate
    if (upstream.fails) throw upstream.fails
  }

  const upstream: ScriptedUpstream = {
    ...shelves,
    id,
    isPublic,
    asked,
    fails: undefined,
    pages: undefined,
    referrersOf: undefined,
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return () => {
        gate = Promise.resolve()
        resolve()
      }
    },
    sourceOf: ({ repository, digest }) => ({
      url: new URL(`https://${id}/v2/${repository}/blobs/${digest}`),
      via: id,
      priority: 1,
    }),
    async resolve(reference, ask, known): Promise<Resolution> {
      const artifact = ({ mediaType, bytes }: Content, digest: Digest) => ({
        reference,
        mediaType,
        size: bytes.length,
        digests: [digest],
        checkedAt: clock.now(),
        freshUntil: clock.now(),
      })
      const { repository } = reference
      if (reference.kind === 'blob') {
        await hear(`blob ${reference.digest}`)
        const found = shelves.blob(repository, reference.digest)
        if (!found) return { outcome: 'missing' }
        return {
          outcome: 'found',
          artifact: artifact(found, reference.digest),
          sources: [upstream.sourceOf(reference)],
        }
      }
      const { pointer } = reference
      await hear(isDigest(pointer) ? `manifest ${pointer}` : `tag ${pointer}${known ? '?' : ''}`)
      ask.signal.throwIfAborted()
      const found = shelves.manifest(repository, pointer)
      if (!found) return { outcome: 'missing' }
      if (known?.digests.includes(found.digest)) return { outcome: 'unchanged', freshUntil: clock.now() }
      return { outcome: 'found', artifact: artifact(found, found.digest), sources: [], document: found.bytes }
    },
    async read(source, { range }) {
      const [, repository = '', digest = ''] = /^\/v2\/(.+)\/blobs\/(.+)$/.exec(source.url.pathname) ?? []
      await hear(`body ${digest}`)
      const found = shelves.blob(repository, digest)
      if (!found) throw new Fault('not-found', { what: digest })
      const { bytes } = found
      const start = range?.start ?? 0
      const end = Math.min(range?.end ?? bytes.length, bytes.length)
      const body = (async function* () {
        for (let at = start; at < end; at += 64 * 1024) {
          await new Promise((go) => setImmediate(go))
          yield bytes.subarray(at, Math.min(at + 64 * 1024, end))
        }
      })()
      return { status: range ? 206 : 200, range: { start, end }, total: bytes.length, validator: undefined, body }
    },
    async tags(repository, { n, last }) {
      await hear(`tags ${repository} ${n ?? ''} ${last ?? ''}`.trim())
      return upstream.pages ?? (shelves.has(repository) ? { tags: shelves.tags(repository), next: undefined } : undefined)
    },
    async referrers(repository, digest) {
      await hear(`referrers ${repository} ${digest}`)
      return upstream.referrersOf
    },
  }
  return upstream
}

export function everythingOf(image: Image): readonly Content[] {
  return [image.manifest, ...image.blobs, ...image.children.flatMap(everythingOf)]
}
