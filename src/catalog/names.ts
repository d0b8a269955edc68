import type { Artifact } from '../model/artifact.ts'
import { type Digest, isStrong } from '../model/digest.ts'
import type { NameFacts, Told } from '../model/facts.ts'
import { Fault } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import { type NameReference, placeOf, printReference } from '../model/reference.ts'
import type { BlobStore, StoredBlob } from '../store/blob-store.ts'
import type { Filled, Transfer } from '../transfer/transfer.ts'
import type { NamedUpstream, NamedUpstreams } from '../upstream/upstream.ts'
import { type AnswersDeps, createAnswers } from './answers.ts'
import type { Blobs } from './blobs.ts'
import type { Hashed, Opened, Outcome, Resolved } from './catalog.ts'
import type { Signatures } from './create-signatures.ts'
import { createDoubts, isAboutTheName } from './doubts.ts'
import type { Knowledge } from './knowledge.ts'
import { asItCame, isSameVersion, namingWrong, shaOf, strongOf } from './name-facts.ts'
import { createNamesByHash } from './names-by-hash.ts'
import type { Notes } from './notes.ts'
import { tellingFirst } from './telling-first.ts'
import { untilStored } from './until-stored.ts'
import { createVersionFills } from './version-fills.ts'

export interface NamesDeps extends AnswersDeps {
  readonly named: NamedUpstreams
  readonly knowledge: Knowledge
  readonly store: Pick<BlobStore, 'stat'>
  readonly transfer: Transfer
  readonly blobs: Blobs
  readonly notes: Notes
  readonly signatures: Pick<Signatures, 'isRequired' | 'demand' | 'demandHeld' | 'told'>
}

/** Images that are one file, and plain files: what a name means, and its bytes. */
export interface Names {
  /** @throws Fault as `createAnswers` */
  told(reference: NameReference, ask: Ask): Promise<{ readonly facts: NameFacts; readonly outcome: Outcome }>
  resolve(reference: NameReference, ask: Ask): Promise<Resolved>
  /** @throws Fault 'not-found', 'upstream-…', 'all-sources-failed' */
  open(reference: NameReference, ask: Ask): Promise<Opened>
  /** The same for its sha256; waits for the bytes where nobody vouches for one. */
  hashed(reference: NameReference, ask: Ask): Promise<Hashed>
  /** Brings the bytes in, if they are missing. @throws Fault as `open` */
  bring(reference: NameReference, ask: Ask): Promise<StoredBlob>
  /** The bytes that a name was said to mean, where they are here. */
  held(facts: NameFacts): Promise<Pick<StoredBlob, 'id' | 'size'> | undefined>
}

type ToldName = Awaited<ReturnType<Names['told']>>

export function createNames(deps: NamesDeps): Names {
  const { knowledge, store, transfer, blobs, signatures, policyOf, clock, log } = deps
  const byHash = createNamesByHash({ knowledge, store, isPublic: (id) => deps.named(id)?.isPublic ?? false })
  const doubt = createDoubts(deps)

  function upstreamOf({ upstream }: NameReference): NamedUpstream {
    const found = deps.named(upstream)
    if (!found) throw new Fault('upstream-unknown', { name: upstream })
    return found
  }

  /** A disk that cannot be written must not keep an answer from whoever waits for it. */
  async function remember<T>(write: Promise<T>): Promise<T | undefined> {
    try {
      return await write
    } catch (error) {
      log.error('name.keep', { error })
      return undefined
    }
  }

  /** What is known of the bytes of a version stays known while the version does; they may have come while it was asked for. */
  async function keep(reference: NameReference, told: Told): Promise<NameFacts> {
    const fresh: NameFacts = { ...told, reference, id: undefined, checkedAt: clock.now() }
    const change = knowledge.changeName(printReference(reference), (now) =>
      now && isSameVersion(now, told) ? { ...fresh, id: now.id } : fresh,
    )
    const facts = (await remember(change)) ?? fresh
    const digest = strongOf(facts)
    if (digest) await remember(addMember(facts, digest, told.size))
    return facts
  }

  async function confirm(known: NameFacts): Promise<NameFacts> {
    const checkedAt = clock.now()
    const key = printReference(known.reference)
    return (await remember(knowledge.changeName(key, (now = known) => ({ ...now, checkedAt })))) ?? { ...known, checkedAt }
  }

  async function addMember({ reference, mediaType }: NameFacts, digest: Digest, size: number | undefined): Promise<void> {
    await knowledge.addMembers(placeOf(reference), [[digest, { size, mediaType, name: printReference(reference) }]])
  }

  const answers = createAnswers<NameReference, NameFacts, never>(deps, {
    known: (reference) => knowledge.name(printReference(reference)),
    async ask(reference, known, ask) {
      const answer = await upstreamOf(reference).resolve(reference, ask, known)
      if (answer.outcome === 'found') return { kind: 'miss', facts: await keep(reference, answer.told) }
      if (answer.outcome === 'missing' || !known) return undefined
      return { kind: 'revalidated', facts: await confirm(known) }
    },
    forget: (reference) => knowledge.forgetName(printReference(reference)),
  })

  async function told(reference: NameReference, ask: Ask): Promise<ToldName> {
    const facts = await byHash(reference)
    return facts ? { facts, outcome: { kind: 'hit' } } : answers(reference, ask)
  }

  function artifactOf(facts: NameFacts, size: number | undefined): Artifact {
    const { reference, mediaType, validators, version, checkedAt } = facts
    const digest = strongOf(facts)
    const freshUntil = checkedAt + policyOf(reference.upstream).freshForMs
    return { reference, mediaType, size, digests: digest ? [digest] : [], validators, version, checkedAt, freshUntil }
  }

  /** By its digest, where it is held or its upstream vouches for the digest: what we found ourselves holds for what we have. */
  async function digestToOpen(facts: NameFacts): Promise<Digest | undefined> {
    if (facts.id && (await store.stat(facts.id))) return facts.id
    return isStrong(facts.claimed) ? facts.claimed : undefined
  }

  /** What is remembered of a name may be over: where it means something else by now, that is opened. */
  async function open(reference: NameReference, ask: Ask): Promise<Opened> {
    const first = await told(reference, ask)
    try {
      return await openTold(reference, first, ask)
    } catch (error) {
      if (first.outcome.kind !== 'hit' || !isAboutTheName(error)) throw error
      const now = await told(reference, { ...ask, signal: ask.signal, revalidate: true })
      if (isSameVersion(now.facts, first.facts)) throw error
      return openTold(reference, now, ask)
    }
  }

  async function openTold(reference: NameReference, { facts, outcome }: ToldName, ask: Ask): Promise<Opened> {
    const digest = await digestToOpen(facts)
    if (!digest) return (await versions.justCame(facts)) ? open(reference, ask) : versions.open(facts, ask)
    const opened = await openDigest(facts, digest, ask)
    return {
      ...opened,
      artifact: artifactOf(facts, opened.artifact.size),
      outcome: opened.outcome.kind === 'hit' ? outcome : opened.outcome,
    }
  }

  /** Settles once the bytes are here, and known. */
  async function bring(reference: NameReference, ask: Ask): Promise<StoredBlob> {
    const { facts } = await told(reference, ask)
    const digest = await digestToOpen(facts)
    if (!digest) return (await versions.justCame(facts)) ? bring(reference, ask) : (await versions.bring(facts, ask)).blob
    try {
      await untilStored(deps, await openDigest(facts, digest, ask), digest, ask.signal)
    } catch (error) {
      throw namingWrong(error, facts)
    }
    const id = await knowledge.idOf(digest)
    const stored = id && (await store.stat(id))
    if (!stored) throw new Fault('not-found', { what: printReference(reference), asked: ['this store'] })
    return stored
  }

  async function openDigest(facts: NameFacts, digest: Digest, ask: Ask): Promise<Opened> {
    const { reference } = facts
    const place = placeOf(reference)
    const member = await knowledge.member(place, digest)
    const names = new Set([printReference(reference), ...(member?.name === undefined ? [] : [member.name])])
    if (!member) await remember(addMember(facts, digest, facts.size)) // it was not written when the name was
    const doubtNames = (error: unknown) => doubt(names, error, ({ id, claimed }) => id === digest || claimed === digest)
    try {
      const { size, mediaType } = facts
      const vouched = { size, mediaType, sources: upstreamOf(reference).sourcesOf(facts, digest, ask.credentials) }
      const opened = await blobs.open({ kind: 'blob', ...place, digest }, ask, vouched)
      if (opened.from !== 'fill') return opened
      if (opened.outcome.kind === 'miss') transfer.running(digest)?.stored.catch(doubtNames)
      return { ...opened, bytes: tellingFirst(opened.bytes, doubtNames) }
    } catch (error) {
      await doubtNames(error)
      throw namingWrong(error, facts)
    }
  }

  /** The bytes are here: now the name has a digest, unless it means another version by now. */
  async function learn({ reference, version }: NameFacts, { blob, version: came = {} }: Filled): Promise<void> {
    const facts = await knowledge.changeName(printReference(reference), (now) =>
      now?.version === version ? { ...asItCame(now, came), id: blob.id, size: blob.size } : undefined,
    )
    if (facts?.id === blob.id) await addMember(facts, blob.id, blob.size)
  }

  const versions = createVersionFills({
    ...deps,
    upstreamOf: ({ reference }) => upstreamOf(reference),
    artifactOf,
    learn,
    doubt,
    demandSigned: (facts, ask) => demandSigned(facts, undefined, ask),
  })

  async function held(facts: NameFacts): Promise<StoredBlob | undefined> {
    const digest = strongOf(facts)
    const id = digest && (await knowledge.idOf(digest))
    return id && store.stat(id)
  }

  /** @throws Fault 'signature-…' where what is this upstream's has to be signed, and this is not */
  async function demandSigned(facts: NameFacts, stored: StoredBlob | undefined, ask: Ask): Promise<void> {
    const { reference, claimed, size } = facts
    if (!signatures.isRequired(reference.upstream)) return
    const artifact = stored ? artifactOf(facts, stored.size) : { ...artifactOf(facts, size), digests: claimed ? [claimed] : [] }
    const { isOffline } = policyOf(reference.upstream)
    const wanted = {
      artifact,
      sources: () => (isOffline ? [] : upstreamOf(reference).sourcesOf(facts, undefined, ask.credentials)),
    }
    await (stored ? signatures.demandHeld(wanted, stored, ask) : signatures.demand(wanted, ask))
  }

  async function hashed(reference: NameReference, ask: Ask): Promise<Hashed> {
    const { facts, outcome } = await told(reference, ask)
    const known = shaOf(facts)
    if (known) return { facts, outcome, id: known, size: (await store.stat(known))?.size }
    if (await versions.justCame(facts)) return hashed(reference, ask)
    const { blob, ...brought } = await versions.bring(facts, ask)
    return { facts: { ...facts, id: blob.id }, id: blob.id, size: blob.size, ...brought }
  }

  return {
    told,
    open,
    bring,
    hashed,
    held,
    async resolve(reference, ask) {
      const first = await told(reference, ask)
      const isLate = !strongOf(first.facts) && (await versions.justCame(first.facts))
      const { facts, outcome } = isLate ? await told(reference, ask) : first
      const stored = await held(facts)
      await demandSigned(facts, stored, ask)
      const signed = stored && (await signatures.told(stored.id)) ? { signedAs: stored.id } : {}
      return { artifact: artifactOf(facts, stored?.size ?? facts.size), outcome, ...signed }
    },
  }
}
