import type { Validators } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { Http, HttpResponse } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import { lengthOf, validatorsOf } from './body-answer.ts'
import { statusFault } from './oci-session.ts'
import { createPlainReader, demandLearnable } from './plain.ts'
import { saidOf, sayingOf } from './unnamed-place.ts'
import type { SourceBody, SourceReader } from './upstream.ts'

/** What the place of an image says of it before its bytes. */
export interface ImageLook {
  readonly validators: Validators
  readonly size: number | undefined // bytes
}

/**
 * Images where a manifest says that they are: asked for without credentials, and never named, as such a URL may be all that
 * it takes to be let in.
 */
export interface ShubImages {
  /** @param from of the manifest. @throws Fault 'upstream-…', 'outbound-blocked' */
  look(image: string, from: URL, signal: AbortSignal): Promise<ImageLook>
  /** @throws as `SourceReader` */
  read(image: string, from: URL, want: Parameters<SourceReader['read']>[1], signal: AbortSignal): Promise<SourceBody>
}

export interface ShubImagesDeps {
  readonly id: UpstreamId
  readonly url: URL // of the registry
  readonly http: Http
  readonly maxConnections: number // bodies at once
}

const patienceMs = 10_000 // clients give up waiting for a manifest after 30 s
const notForHead: readonly number[] = [400, 401, 403, 404, 405, 501] // a signature is good for one method

export function createShubImages({ id, url: base, http, maxConnections }: ShubImagesDeps): ShubImages {
  const plain = createPlainReader(http, maxConnections)

  async function ask(url: URL, signal: AbortSignal): Promise<HttpResponse> {
    const head = await http.request({ method: 'HEAD', url, signal })
    await head.discard()
    if (!notForHead.includes(head.status)) return head
    const first = await http.request({ method: 'GET', url, headers: { range: 'bytes=0-0' }, signal })
    first.cancel()
    return first
  }

  async function look(url: URL, signal: AbortSignal): Promise<ImageLook> {
    const patience = AbortSignal.timeout(patienceMs)
    try {
      demandLearnable(http, url)
      const answer = await ask(url, AbortSignal.any([signal, patience]))
      if (answer.status === 200 || answer.status === 206) return lookOf(answer)
      // There is an image, its manifest says: that it cannot be had is a failure of the registry.
      if (answer.status === 404 || answer.status === 410)
        throw new Fault('upstream-status', { url: url.href, status: answer.status })
      throw statusFault(answer)
    } catch (error) {
      if (error !== patience.reason) throw error
      throw new Fault('upstream-timeout', { url: url.href, phase: 'answer', ms: patienceMs })
    }
  }

  async function read(url: URL, want: Parameters<ShubImages['read']>[2], signal: AbortSignal): Promise<SourceBody> {
    const { links, ...answer } = await plain.read({ url, via: id, priority: 1, place: 'learnt' }, want, signal)
    // Mirrors and metalinks are taken from the registry itself: elsewhere their URLs may be secrets too.
    return links && url.origin === base.origin ? { ...answer, links } : answer
  }

  /** A URL of the manifest for people. */
  const shownAs = (from: URL, { host }: URL) => `${redactUrl(from)} (its image, at ${host})`

  return {
    async look(image, from, signal) {
      const url = new URL(image)
      try {
        return await look(url, signal)
      } catch (error) {
        throw saidOf(shownAs(from, url), error)
      }
    },
    async read(image, from, want, signal) {
      const url = new URL(image)
      const shown = shownAs(from, url)
      try {
        const answer = await read(url, want, signal)
        return { ...answer, body: sayingOf(shown, answer.body) }
      } catch (error) {
        throw saidOf(shown, error)
      }
    },
  }
}

function lookOf(answer: HttpResponse): ImageLook {
  const [, total] = /^bytes \d+-\d+\/(\d{1,15})$/.exec(answer.header('content-range') ?? '') ?? []
  return {
    validators: validatorsOf(answer),
    size: answer.status === 200 ? lengthOf(answer) : total === undefined ? undefined : Number(total),
  }
}
