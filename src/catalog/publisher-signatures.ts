import type { Artifact } from '../model/artifact.ts'
import { asBlobId, type BlobId } from '../model/digest.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { StoredBlob } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import type { OpenPgp, ReadSignature } from '../system/openpgp.ts'
import { redactUrl } from '../system/redact.ts'
import { createSingleFlight } from '../system/single-flight.ts'
import { type Approve, type Arrived, type Filled, fillKey } from '../transfer/transfer.ts'
import type { KeptSignatures } from './kept-signatures.ts'
import { invalidSignature, isTrusted, missingSignature, type SignatureSearch, type WantedBytes } from './signature-search.ts'
import type { TrustedKeys } from './trusted-keys.ts'

export interface PublisherSignaturesDeps {
  readonly openpgp: Pick<OpenPgp, 'read' | 'verifyFile'>
  readonly search: SignatureSearch
  readonly trusted: ReadonlyMap<UpstreamId, TrustedKeys>
  readonly kept: Pick<KeptSignatures, 'of' | 'keep' | 'drop'>
  readonly negativeForMs: number
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
}

type Blob = Pick<StoredBlob, 'id' | 'path' | 'size'>

/** Signatures that publishers made: which are passed on, and what is refused without one. */
export interface PublisherSignatures {
  isRequired(upstream: UpstreamId): boolean
  /**
   * Before bytes are fetched: where they must be signed, there has to be a signature that says it is by a trusted key.
   *
   * @throws Fault 'signature-missing', 'signature-invalid', 'upstream-…' where it cannot be asked for
   */
  demand(wanted: WantedBytes, ask: Ask): Promise<void>
  /** Before held bytes are given: where they must be signed, they have to be, and well. @throws as `demand`, 'not-held' */
  demandHeld(wanted: WantedBytes, blob: Blob, ask: Ask): Promise<void>
  approve: Approve
  /** Keeps what was found of a blob that was fetched. */
  note(filled: Filled): Promise<void>
  /** What was kept unverified before there were keys to verify it with is verified now. */
  review(upstream: UpstreamId, blob: Blob): Promise<void>
}

interface Good {
  readonly armored: string
  readonly by: string // fingerprint
}

const foundForMs = 24 * 3_600_000 // a fill may take hours; one that is not good is looked for anew at once
const foundBytes = 16 * 1024 * 1024
const entriesKept = 1000
const unending = new AbortController().signal // what nobody waits for ends when OpenPGP is closed

export function createPublisherSignatures(deps: PublisherSignaturesDeps): PublisherSignatures {
  const { openpgp, search, trusted, kept, clock, log } = deps
  const found = createMemoryCache<string, readonly ReadSignature[]>({
    maxBytes: foundBytes,
    sizeOf: (signatures) => signatures.reduce((sum, { armored }) => sum + armored.length, 500),
    ttlMs: foundForMs,
    clock,
  })
  const refused = createMemoryCache<string, Fault>({ maxEntries: entriesKept, ttlMs: deps.negativeForMs, clock })
  const good = createMemoryCache<BlobId, Good>({ maxEntries: entriesKept }) // not on disk yet
  const looks = createSingleFlight<string, readonly ReadSignature[]>()
  const checks = createSingleFlight<string, void>()

  const keyOf = (artifact: Artifact) => `${artifact.reference.upstream} ${fillKey(artifact)}`

  function requiredOf(upstream: UpstreamId): TrustedKeys | undefined {
    const rule = trusted.get(upstream)
    return rule?.isRequired ? rule : undefined
  }

  /** Refusals are remembered for a moment, so that a client that asks again and again does not make us do so. */
  async function remembering<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      if (isFault(error, 'signature-missing', 'signature-invalid')) {
        refused.set(key, error)
        found.delete(key)
      }
      throw error
    }
  }

  async function candidates(wanted: WantedBytes, rule: TrustedKeys, ask: Ask): Promise<readonly ReadSignature[]> {
    const key = keyOf(wanted.artifact)
    const known = ask.revalidate ? undefined : found.get(key)
    if (known) return known
    const refusal = ask.revalidate ? undefined : refused.get(key)
    if (refusal) throw refusal
    const look = (signal: AbortSignal) => remembering(key, () => search.look(wanted, rule, signal))
    const { value } = await looks.run(key, ask.signal, look)
    found.set(key, value)
    return value
  }

  /** @throws Fault 'signature-invalid' when none of them is good */
  async function firstGood(
    { path, size }: Omit<Blob, 'id'>,
    signatures: readonly ReadSignature[],
    artifact: Artifact,
    rule: TrustedKeys,
    signal: AbortSignal,
  ): Promise<Good> {
    let why = ''
    for (const { armored } of signatures) {
      const verdict = await openpgp.verifyFile(path, size, armored, rule.rings, signal)
      if (verdict.outcome === 'good') return { armored, by: verdict.by }
      why = verdict.why
    }
    throw invalidSignature(artifact, rule, why)
  }

  function keep(id: BlobId, { armored, by }: Good): Promise<void> {
    return kept.keep(id, { armored, by: 'publisher', keys: [by] })
  }

  async function demandHeld(wanted: WantedBytes, blob: Blob, ask: Ask): Promise<void> {
    const { artifact } = wanted
    const rule = requiredOf(artifact.reference.upstream)
    if (!rule || rule.fingerprints.has(good.get(blob.id)?.by ?? '')) return
    const before = await kept.of(blob.id)
    const ofPublisher = before?.by === 'publisher' ? before : undefined
    if (ofPublisher?.keys.some((key) => rule.fingerprints.has(key))) return
    if (ask.onlyIfHeld) throw new Fault('not-held', { what: blob.id })
    const check = async (signal: AbortSignal) => {
      const known = ofPublisher && (await openpgp.read(Buffer.from(ofPublisher.armored), rule.rings))
      const signatures = known && isTrusted(known) ? [known] : await candidates(wanted, rule, { ...ask, signal })
      const found = await firstGood(blob, signatures, artifact, rule, signal)
      good.set(blob.id, found)
      await keep(blob.id, found).then(
        () => good.delete(blob.id),
        (error) => log.warn('signature.keep', { digest: blob.id, error }),
      )
    }
    const key = keyOf(artifact)
    await checks.run(key, ask.signal, (signal) => remembering(key, () => check(signal)))
  }

  async function approve({ artifact, path, size, digests, mentions }: Arrived, signal: AbortSignal): Promise<void> {
    const rule = requiredOf(artifact.reference.upstream)
    if (!rule) return
    const id = digests.map(asBlobId).find((one) => one !== undefined)!
    const key = keyOf(artifact)
    await remembering(key, async () => {
      const mentioned = async () => (await search.follow(mentions, { digest: id, size }, rule, signal)).filter(isTrusted)
      const signatures = found.get(key) ?? (await mentioned())
      if (signatures.length === 0)
        throw missingSignature(
          artifact,
          rule,
          mentions.map(({ from }) => redactUrl(from.url)),
        )
      good.set(id, await firstGood({ path, size }, signatures, artifact, rule, signal))
    })
  }

  /** Of those who are trusted only what is good is kept; where nobody is, what there is. */
  async function keepFound(upstream: UpstreamId, blob: Blob, signatures: readonly ReadSignature[]): Promise<void> {
    const rule = trusted.get(upstream)
    const [first] = signatures
    if (!first) return
    if (!rule) return kept.keep(blob.id, { armored: first.armored, by: 'publisher', keys: [] })
    for (const { armored, issuers } of signatures) {
      const verdict = await openpgp.verifyFile(blob.path, blob.size, armored, rule.rings, unending)
      if (verdict.outcome === 'good') return keep(blob.id, { armored, by: verdict.by })
      log.warn('signature.refused', { digest: blob.id, upstream, issuers, why: verdict.why })
    }
  }

  return {
    isRequired: (upstream) => requiredOf(upstream) !== undefined,
    async demand(wanted, ask) {
      const rule = requiredOf(wanted.artifact.reference.upstream)
      if (rule) await candidates(wanted, rule, ask)
    },
    demandHeld,
    approve,
    async note({ artifact, blob, mentions }) {
      const approved = good.get(blob.id)
      if (approved) {
        await keep(blob.id, approved)
        good.delete(blob.id)
        return
      }
      const { upstream } = artifact.reference
      const wanted = { digest: blob.id, size: blob.size }
      await keepFound(upstream, blob, await search.follow(mentions, wanted, trusted.get(upstream), unending))
    },
    async review(upstream, blob) {
      const rule = trusted.get(upstream)
      const before = rule && (await kept.of(blob.id))
      if (!rule || before?.by !== 'publisher' || before.keys.length > 0) return
      const verdict = await openpgp.verifyFile(blob.path, blob.size, before.armored, rule.rings, unending)
      if (verdict.outcome === 'good') await keep(blob.id, { armored: before.armored, by: verdict.by })
      else await kept.drop(blob.id)
    },
  }
}
