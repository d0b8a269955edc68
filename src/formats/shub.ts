import type { Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { digestInHash } from './image-hash.ts'
import { invalidDocument, isJsonObject, type Json, parseJson } from './json.ts'
import { type Field, type Fields, flag, identifier, line, named, printFields, readFields, shaped, time } from './json-fields.ts'
import { isLinkUrl, readForeignUrl } from './metalink-urls.ts'

/** What a shub registry says of one image. */
export interface ShubManifest {
  /** Where its bytes are now: absolute http(s). May hold a secret and soon expire, so it is asked for anew each time. */
  readonly image: string
  /** Of its bytes, sha256 or md5, where the version is one. */
  readonly digest?: Digest
  readonly version?: string // as it was told
  readonly commit?: string // likewise; several images may share one
  readonly collection?: string
  readonly name?: string
  readonly tag?: string
  readonly id?: string
  readonly branch?: string
  readonly frozen?: boolean
  readonly addedAt?: number // epoch ms
}

/** What of it is told on. */
export type ShubAbout = Pick<ShubManifest, 'id' | 'version' | 'frozen' | 'addedAt'>

type Told = Omit<ShubManifest, 'image' | 'digest'>

/** What manifests and lists say in the same words. */
export const shubFields = {
  id: identifier,
  collection: line,
  name: line,
  tag: line,
  version: line,
  frozen: flag,
  addedAt: named('add_date', time),
}
const toldFields: Fields<Told> = { ...shubFields, commit: line, branch: line }

const { id, version, frozen, addedAt } = shubFields
const aboutFields: Fields<ShubAbout> = { id, version, frozen, addedAt }

const what = 'the shub manifest'

/**
 * Reads the answer of `api/container/<collection>/<name>`; undefined where it is the empty object, by which sregistry says
 * that there is no such image. Other refusals come as a bare number, under status 200 too.
 *
 * @throws Fault 'upstream-limited' for the number 429; 'upstream-invalid' for anything else that is no manifest
 */
export function parseShubManifest(body: Uint8Array): ShubManifest | undefined {
  const json = parseJson(body, what)
  if (json === 429 || json === '429') throw new Fault('upstream-limited', { url: what })
  if (typeof json === 'number') throw invalidDocument(what, `it is nothing but the number ${json}`)
  if (!isJsonObject(json)) throw invalidDocument(what, 'it is not a JSON object')
  if (Object.keys(json).length === 0) return undefined
  const image = readForeignUrl(typeof json.image === 'string' ? json.image : '')
  if (image.outcome === 'refused') throw invalidDocument(what, `its image is ${image.why}`)
  const told = readFields(json, toldFields)
  return { ...told, image: image.url, digest: told.version === undefined ? undefined : digestInHash(told.version) }
}

/** For keeping: what `readShubAbout` reads back as the same. */
export function listShubAbout(about: ShubAbout): Json {
  return printFields(about, aboutFields)
}

export function readShubAbout(kept: Json): ShubAbout {
  return readFields(kept, aboutFields)
}

/** A manifest as our clients get it. */
export interface OwnShubManifest {
  readonly id?: string
  readonly image: string // absolute, our own: a client that may not use TLS rewrites its scheme
  /** The name that a client caches the bytes by, whatever they are: of its own for each content. 40 to 64 digits in hex. */
  readonly commit: string
  readonly collection: string
  readonly name: string
  readonly tag: string
  readonly version: string // `sha256.` and hex, where that is known
  readonly frozen?: boolean
  readonly addedAt?: number // epoch ms
}

const ownImage: Field<string> = {
  read: (value) => (typeof value === 'string' && isLinkUrl(value) ? value : undefined),
  print: (value) => value,
}
const ownFields: Fields<OwnShubManifest> = {
  ...shubFields,
  image: ownImage,
  commit: shaped(/^[0-9a-f]{40,64}$/),
}
const needed = ['image', 'commit', 'collection', 'name', 'tag', 'version'] as const

/**
 * Prints it. A client that is told of no commit empties its cache and then fails; with one that another image has it takes
 * the bytes of that one.
 *
 * @throws Fault 'internal' for an image, commit or name that no client could use
 */
export function printShubManifest(manifest: OwnShubManifest): string {
  const json = printFields(manifest, ownFields)
  const lacking = needed.find((key) => json[key] === undefined)
  if (lacking !== undefined) throw new Fault('internal', { what: `a shub manifest would have no usable ${lacking}` })
  return JSON.stringify(json)
}
