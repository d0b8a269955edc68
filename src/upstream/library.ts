import { type LibraryImage, listLibraryImage, parseLibraryImage, readLibraryImage } from '../formats/library-image.ts'
import { digestInPointer, printLibraryPath } from '../formats/library-path.ts'
import { parseLibraryError } from '../formats/library-service.ts'
import type { Source } from '../model/artifact.ts'
import { asBlobId, type Digest, hexOf } from '../model/digest.ts'
import type { NameFacts, Told } from '../model/facts.ts'
import { Fault, isFault } from '../model/fault.ts'
import { octetStream } from '../model/media-type.ts'
import { type ImageReference, type NameReference, printReference } from '../model/reference.ts'
import type { HttpResponse } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import { lookUp } from './look-up.ts'
import type { Lookups, NameAnswer, NamedUpstream } from './upstream.ts'
import { createWebSession, type WebSessionDeps } from './web-session.ts'

const usualArch = 'amd64'
const mostBytes = 1024 * 1024 // of what it says of one image
const json = { accept: 'application/json' }
// Another one of us would bring the bytes in before it answers, to tell their sha256; what its own upstream says is enough.
const atOnce = { prefer: 'wait=0' } // RFC 7240 §4.3
const withoutHashesForMs = 3_600_000
const hashPath = /:sha256\.[0-9a-f]{64}$/

/** A server of the library API: Sylabs' own kind, hinkskalle, sregistry, or another one of us. */
export function createLibraryUpstream(deps: WebSessionDeps): NamedUpstream & Lookups {
  const { id, isPublic, clock } = deps
  const session = createWebSession({ ...deps, messageIn: parseLibraryError })
  let hashesUnknownUntil = 0

  async function resolve(reference: NameReference, signal: AbortSignal, known?: NameFacts): Promise<NameAnswer> {
    const image = demandImage(reference)
    const url = session.urlOf(`v1/images/${pathOf(image, image.pointer)}`)
    const answer = await session.ask('GET', url, signal, { ...json, ...atOnce })
    if (answer.status === 404) return missing(answer)
    if (answer.status !== 200) throw await refusal(answer, image)
    const said = await read(answer)
    // Some servers do not know of architectures, and give what they have; and an image may have been announced only.
    const isAnother = said.arch !== undefined && said.arch !== archOf(image) && digestInPointer(image.pointer) === undefined
    if (isAnother || said.uploaded === false) return { outcome: 'missing' }
    const told = toldBy(said, image, url)
    return known && isSame(told, known) ? { outcome: 'unchanged' } : { outcome: 'found', told }
  }

  /** No server keeps an image under a tag that holds something else, so that asking again is of no use. */
  async function refusal(answer: HttpResponse, image: ImageReference): Promise<Fault> {
    const fault = await session.refusal(answer)
    if (answer.status !== 406) return fault
    const said = isFault(fault, 'upstream-status') ? fault.details.said : undefined
    const why = said ?? 'its tag holds something that is no image for singularity, or images of several architectures'
    return new Fault('request-invalid', { what: printReference(image), why: `${redactUrl(answer.url)} answered 406: ${why}` })
  }

  function toldBy(said: LibraryImage, image: ImageReference, url: URL): Told {
    const asked = digestInPointer(image.pointer)
    const { digest: claimed, ...about } = said
    if (asked && claimed && asBlobId(claimed) && claimed !== asked)
      throw new Fault('upstream-invalid', {
        url: redactUrl(url),
        why: 'it answers with another hash than the one it was asked for',
      })
    const digest = asked ?? claimed
    return {
      claimed: digest,
      // Some servers count megabytes, and a wrong size would make right bytes look wrong.
      size: undefined,
      mediaType: octetStream,
      validators: {},
      version: digest ?? versionOf(said) ?? `at ${clock.now()}`,
      urls: [],
      about: listLibraryImage(about),
    }
  }

  /** By its hash, as the tag may mean another image by the time; by the tag where the server has no names of that kind. */
  function sourcesOf(
    { reference, claimed }: Pick<NameFacts, 'reference' | 'claimed'>,
    wanted: Digest | undefined = claimed,
  ): readonly Source[] {
    const image = demandImage(reference)
    const byTag = pathOf(image, image.pointer)
    const isHashTold = claimed !== undefined && asBlobId(claimed) !== undefined
    const hash = wanted && asBlobId(wanted)
    const byHash = isHashTold && hash ? [pathOf(image, `sha256.${hexOf(hash)}`)] : []
    const paths = hashesUnknownUntil > clock.now() ? [byTag, ...byHash] : [...byHash, byTag]
    return [...new Set(paths)].map((path, at) => ({
      url: session.urlOf(`v1/imagefile/${path}`),
      via: id,
      priority: 500_000 + at,
    }))
  }

  return {
    id,
    isPublic,
    sourcesOf,
    resolve: (reference, { signal }, known) => resolve(reference, signal, known),
    async read({ url }, want, signal) {
      try {
        return await session.read(url, want, signal)
      } catch (error) {
        if (isFault(error, 'not-found') && hashPath.test(url.pathname)) hashesUnknownUntil = clock.now() + withoutHashesForMs
        throw error
      }
    },
    lookup: (question, signal) => lookUp(session, question, signal),
  }
}

async function missing(answer: HttpResponse): Promise<NameAnswer> {
  await answer.discard()
  return { outcome: 'missing' }
}

async function read(answer: HttpResponse): Promise<LibraryImage> {
  const body = await answer.bytes(mostBytes)
  try {
    return parseLibraryImage(body)
  } catch (error) {
    if (!isFault(error, 'upstream-invalid')) throw error
    throw new Fault('upstream-invalid', { url: redactUrl(answer.url), why: error.details.why })
  }
}

function demandImage(reference: NameReference): ImageReference {
  if (reference.kind !== 'image') throw new Fault('internal', { what: 'a file was asked of a library' })
  return reference
}

function archOf({ arch = usualArch }: ImageReference): string {
  return arch
}

function pathOf(image: ImageReference, pointer: string): string {
  return `${printLibraryPath({ name: image.name, pointer })}?arch=${archOf(image)}`
}

/** What changes with the bytes where no hash is told. */
function versionOf({ id, updatedAt, createdAt, size }: LibraryImage): string | undefined {
  const known = [id, updatedAt, createdAt].some((one) => one !== undefined)
  return known ? [id, updatedAt, createdAt, size].map((one) => one ?? '-').join(' ') : undefined
}

function isSame(told: Told, known: NameFacts): boolean {
  const said = ({ version, claimed, about }: Told) => JSON.stringify([version, claimed, readLibraryImage(about)])
  return said(told) === said(known)
}
