import type { Validators } from '../model/artifact.ts'
import { asBlobId, type BlobId, type Digest, isStrong } from '../model/digest.ts'
import type { NameFacts, Told } from '../model/facts.ts'
import { Fault, isFault } from '../model/fault.ts'
import { printReference } from '../model/reference.ts'

/** What the bytes are known by: what we found, or else what is vouched for by a digest that nobody can forge. */
export function strongOf({ id, claimed }: Pick<NameFacts, 'id' | 'claimed'>): Digest | undefined {
  return id ?? (isStrong(claimed) ? claimed : undefined)
}

export function shaOf({ id, claimed }: Pick<NameFacts, 'id' | 'claimed'>): BlobId | undefined {
  return id ?? (claimed && asBlobId(claimed))
}

export function isSameVersion(one: Told, other: Told): boolean {
  return one.version === other.version && one.claimed === other.claimed
}

/** A file was replaced between question and bytes where these came with another version than was told. */
export function asItCame(facts: NameFacts, came: Validators): NameFacts {
  const { etag, lastModified } = facts.validators
  const isOther = (told: string | undefined, said: string | undefined) =>
    told !== undefined && said !== undefined && told !== said
  if (!isOther(etag, came.etag) && !isOther(lastModified, came.lastModified)) return facts
  return { ...facts, validators: came, version: `${facts.version}, then ${[came.etag, came.lastModified].join(' ')}` }
}

/** Wrong bytes, said of the name, and with who told what they should be. */
export function namingWrong(error: unknown, { reference, about }: NameFacts): unknown {
  const { digestFrom } = about
  if (!isFault(error, 'corrupt') || typeof digestFrom !== 'string') return error
  const what = `${printReference(reference)}, checked against ${digestFrom},`
  return new Fault('corrupt', { ...error.details, what }, { cause: error })
}
