import type { Artifact, Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import { printReference, type UpstreamId } from '../model/reference.ts'
import type { Logger } from '../system/log.ts'
import type { OpenPgp, ReadSignature } from '../system/openpgp.ts'
import { redactUrl } from '../system/redact.ts'
import type { Mention } from '../transfer/transfer.ts'
import type { FoundSignature, SignatureFinder, WantedSignature } from '../upstream/upstream.ts'
import type { TrustedKeys } from './trusted-keys.ts'

export interface SignatureSearchDeps {
  readonly openpgp: Pick<OpenPgp, 'read'>
  readonly find: SignatureFinder
  /** Also where nobody is trusted, a metalink that an answer points to is read for the signature in it. */
  readonly readsMetalinks: boolean
  readonly log: Logger
}

/** Bytes that somebody wants, and where they may be asked for. */
export interface WantedBytes {
  readonly artifact: Artifact
  readonly sources: () => readonly Source[]
}

/** Finds signatures of bytes, whose they may be. Whether they are good is another question. */
export interface SignatureSearch {
  /**
   * Asks one place after the other, the upstream first, until one has a signature that says it is by a trusted key.
   *
   * @throws Fault 'signature-missing', 'signature-invalid' where they are by others, 'upstream-…' where it cannot be asked
   */
  look(wanted: WantedBytes, rule: TrustedKeys, signal: AbortSignal): Promise<readonly ReadSignature[]>
  /** What the answers that brought the bytes point to. A place that cannot be asked now has none. */
  follow(
    mentions: readonly Mention[],
    wanted: WantedSignature,
    rule: TrustedKeys | undefined,
    signal: AbortSignal,
  ): Promise<readonly ReadSignature[]>
}

export function createSignatureSearch({ openpgp, find, readsMetalinks, log }: SignatureSearchDeps): SignatureSearch {
  async function read(all: readonly FoundSignature[], rule: TrustedKeys | undefined): Promise<readonly ReadSignature[]> {
    const read = await Promise.all(all.map(({ bytes }) => openpgp.read(bytes, rule?.rings ?? [])))
    return read.filter((one) => one !== undefined)
  }

  /** Where nobody is trusted, only what was pointed to is fetched. */
  async function foundBy(
    { from, links, signature }: Mention,
    wanted: WantedSignature,
    rule: TrustedKeys | undefined,
    signal: AbortSignal,
  ): Promise<readonly FoundSignature[]> {
    const linked = links ? await find.linked(links, signal) : []
    if (linked.length > 0) return linked
    if (signature !== undefined) return [{ bytes: Buffer.from(signature), at: redactUrl(from.url) }]
    const described = links && (rule || readsMetalinks) ? await find.inMetalink(links, wanted, signal) : []
    return described.length > 0 || !rule ? described : find.beside(from, signal)
  }

  return {
    async look({ artifact, sources }, rule, signal) {
      const asked: string[] = []
      const seen: ReadSignature[] = []
      let failure: unknown
      for (const source of upstreamFirst(sources())) {
        try {
          asked.push(redactUrl(source.url))
          seen.push(...(await read(await find.at(source, wantedOf(artifact), signal), rule)))
        } catch (error) {
          signal.throwIfAborted()
          if (source.place === undefined) failure = error
        }
        if (seen.some(isTrusted)) return seen.filter(isTrusted)
      }
      if (seen.length > 0) throw untrusted(artifact, rule, seen)
      throw failure ?? missingSignature(artifact, rule, asked)
    },
    async follow(mentions, wanted, rule, signal) {
      for (const mention of mentions) {
        try {
          const found = await read(await foundBy(mention, wanted, rule, signal), rule)
          if (found.length > 0) return found
        } catch (error) {
          signal.throwIfAborted()
          log.info('signature.look', { url: redactUrl(mention.from.url), error })
        }
      }
      return []
    },
  }
}

/** Most likely it has one itself. A folder here, or a place that an answer named, points to nothing. */
function upstreamFirst(sources: readonly Source[]): readonly Source[] {
  const asked = sources.filter(({ place, url }) => place !== 'learnt' && url.protocol !== 'file:')
  return asked.toSorted((one, other) => Number(one.place !== undefined) - Number(other.place !== undefined))
}

function wantedOf({ digests: [digest], size }: Artifact): WantedSignature {
  return { digest, size }
}

export function isTrusted({ trusted }: ReadSignature): boolean {
  return trusted.length > 0
}

export function missingSignature(artifact: Artifact, rule: TrustedKeys, asked: readonly string[]): Fault {
  return new Fault('signature-missing', { ...detailsOf(artifact, rule), asked })
}

export function invalidSignature(artifact: Artifact, rule: TrustedKeys, why: string): Fault {
  return new Fault('signature-invalid', { ...detailsOf(artifact, rule), why })
}

function untrusted(artifact: Artifact, rule: TrustedKeys, seen: readonly ReadSignature[]): Fault {
  const issuers = [...new Set(seen.flatMap(({ issuers }) => issuers))]
  return invalidSignature(artifact, rule, `it is signed by ${issuers.join(' and ')}, which is not trusted`)
}

function detailsOf({ reference }: Artifact, { fingerprints }: TrustedKeys) {
  const upstream: UpstreamId = reference.upstream
  return { what: printReference(reference), upstream, trusted: [...fingerprints] }
}
