import type { Opened, Resolved, Serving } from '../catalog/catalog.ts'
import type { Listed } from '../mirrors/mirrors.ts'
import type { Ask } from '../model/principal.ts'

// What the process that has the house and those that speak to clients say to each other of the catalog.

/** Questions that somebody asks, who is told of last. */
export const asked = [
  'resolve',
  'told',
  'hashed',
  'searchShub',
  'tags',
  'referrers',
  'lookup',
  'meaning',
  'fileLinks',
  'imageLinks',
  'signature',
  'metalink',
  'admit',
] as const satisfies readonly (keyof Serving)[]

/** Questions that nobody in particular asks. */
export const plain = [
  'held',
  'spelling',
  'repositories',
  'heldNames',
  'digests',
  'pieceDigest',
  'documented',
  'homes',
  'sign',
  'acceptedBy',
] as const satisfies readonly (keyof Serving)[]

type Other = 'open' | 'openAtOnce' | 'places' | 'isSigning' | 'linksVersion' | 'hitsVersion'
// Each question is in one of the lists.
type Forgotten = Exclude<keyof Serving, Other | (typeof asked)[number] | (typeof plain)[number]>
true satisfies [Forgotten] extends [never] ? true : Forgotten

/** An `Ask` without its signal, which is the call's own. */
export type Asker = Omit<Ask, 'signal'>

const askerParts = [
  'principal',
  'requestId',
  'onlyIfHeld',
  'revalidate',
  'canDoWithout',
  'credentials',
  'client',
] as const satisfies readonly (keyof Asker)[]
type ForgottenPart = Exclude<keyof Asker, (typeof askerParts)[number]>
true satisfies [ForgottenPart] extends [never] ? true : ForgottenPart

/** Of requests more is known than is asked. */
export function askerOf(ask: Ask): Asker {
  const told = askerParts.flatMap((part) => (ask[part] === undefined ? [] : [[part, ask[part]] as const]))
  return Object.fromEntries(told) as unknown as Asker
}

/** Something opened, whose bytes are read by another process. */
export interface Shown extends Resolved {
  readonly from: Opened['from']
  readonly size: number | undefined // bytes
  readonly places: readonly Listed[]
  /** As it was before this was opened. */
  readonly hitsVersion: number
  /** In memory: all of it, or nothing where the asker has it. Else by `handle`, until `release`. */
  readonly bytes?: Uint8Array | 'known'
  readonly handle?: number
  /** All of it lies in this file. */
  readonly path?: string
}

/** Where more bytes can be read, by `locate`; `path` undefined: by `read`. */
export interface Granted {
  readonly path: string | undefined
  readonly count: number // bytes
  readonly size: number | undefined // of all, bytes
}

/** Some bytes, by `read`. */
export interface Part {
  readonly bytes: Uint8Array
  readonly size: number | undefined // of all, bytes
}

/** What is known without asking. */
export interface News {
  readonly isSigning: boolean
  readonly linksVersion: string
  readonly hitsVersion: number
}
