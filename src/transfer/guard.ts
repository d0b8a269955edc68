import type { Source, Validators } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { SourceBody } from '../upstream/upstream.ts'
import { nameOf } from './name-of.ts'

/**
 * Keeps the bytes of one version together. Where a digest will tell there is nothing to guard; without one, parts are taken
 * only from a place that says by its validator that they are of the version the first ones were of.
 *
 * @see RFC 9110 §8.8, §13.1.5
 */
export interface Guard {
  /** What a question for a part must carry. @throws Fault 'source-changed' when parts of this cannot be told from another's */
  forPart(source: Source): string | undefined
  /** @throws Fault 'source-changed' for an answer that is of another version */
  check(answer: SourceBody, source: Source, position: number): void
  /** May several places of the file be asked for at once? */
  readonly givesParts: boolean
  /** What was said of the version with the first of its bytes. */
  readonly version: Validators | undefined
}

export interface GuardDeps {
  /** A digest is known that the whole will be compared with. */
  readonly isVouchedFor: boolean
  /** What an earlier run left was of this version. */
  readonly validator: string | undefined
  readonly learnt: (validator: string) => void
}

const another = 'it has another version now'

export function createGuard({ isVouchedFor, learnt, ...known }: GuardDeps): Guard {
  let validator = known.validator
  let version = validator === undefined ? undefined : asVersion(validator)

  return {
    get givesParts() {
      return isVouchedFor || validator !== undefined
    },
    get version() {
      return version
    },
    forPart(source) {
      if (isVouchedFor) return undefined
      if (validator === undefined)
        throw changed(source, 'it names no version, so that the rest of these bytes cannot be asked for')
      return validator
    },
    check(answer, source, position) {
      if (isVouchedFor) return
      if (version && !isOf(version, answer)) throw changed(source, another)
      // Who takes no notice of ranges sends the whole of the same version, which will do.
      if (position > 0 && answer.status === 200 && (validator === undefined || answer.validator !== validator))
        throw changed(source, another)
      version ??= answer.validators ?? asVersion(answer.validator)
      if (validator !== undefined || answer.validator === undefined) return
      validator = answer.validator
      learnt(validator)
    },
  }
}

/** A part repeats its ETag, and need not repeat its date. @see RFC 9110 §15.3.7 */
function isOf({ etag, lastModified }: Validators, answer: SourceBody): boolean {
  const said = answer.validators ?? asVersion(answer.validator)
  if (etag !== undefined && said.etag !== etag) return false
  return lastModified === undefined || said.lastModified === undefined || said.lastModified === lastModified
}

function asVersion(validator: string | undefined): Validators {
  if (validator === undefined) return {}
  return validator.startsWith('"') ? { etag: validator } : { lastModified: validator }
}

function changed(source: Source, why: string): Fault {
  return new Fault('source-changed', { url: nameOf(source), why })
}
