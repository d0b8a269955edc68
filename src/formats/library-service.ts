import { Fault } from '../model/fault.ts'
import { parseRepository, type Repository } from '../model/reference.ts'
import { invalidDocument, isJsonObject, type Json, parseJson, parseJsonObject } from './json.ts'
import { type Fields, line, readFields, shaped } from './json-fields.ts'
import { libraryData } from './library-image.ts'
import { readForeignUrl } from './metalink-urls.ts'

/** Of a library, and of any service that a remote endpoint names. */
export interface ServiceVersion {
  readonly version?: string
  readonly apiVersion?: string // semantic, decides what clients dare to ask
}

// https://semver.org, with the "v" that libraries write before their own version
const semantic = shaped(/^v?\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]{1,100})?(?:\+[0-9A-Za-z.-]{1,100})?$/)
const versionFields: Fields<ServiceVersion> = { version: semantic, apiVersion: semantic }

/** Reads the answer of `version`. @throws Fault 'upstream-invalid' */
export function parseVersion(body: Uint8Array): ServiceVersion {
  return readFields(libraryData(body, 'the version of the library'), versionFields)
}

export function printVersion(version: Required<ServiceVersion>): string {
  return JSON.stringify({ data: version })
}

// A client that supports OCI-SIF looks for this in a message, and then asks another registry for the image.
const telling = 'application/vnd.oci.image.config.v1+json'

/** An error as clients show it to their user. @param status of the answer */
export function printLibraryError(status: number, message: string): string {
  return JSON.stringify({ error: { code: status, message: message.replaceAll(telling, 'an OCI image') } })
}

const longestMessage = 500

/** What an error of a library or sregistry says, in one line; undefined where it is none of the known shapes. */
export function parseLibraryError(body: Uint8Array): string | undefined {
  let json: unknown
  try {
    json = parseJson(body, 'the error')
  } catch {
    return undefined
  }
  if (!isJsonObject(json)) return undefined
  const first: unknown = Array.isArray(json.errors) ? json.errors[0] : undefined
  const said = [
    isJsonObject(json.error) ? json.error.message : json.error, // Sylabs
    ...(isJsonObject(first) ? [first.detail, first.message, first.title] : []), // hinkskalle, OCI registries
    json.detail, // sregistry
    json.message,
  ]
  return said.map(oneLine).find((message) => message !== undefined)
}

function oneLine(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const words = value.slice(0, longestMessage).split(unprintable)
  return line.read(words.filter((word) => word !== '').join(' '))
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: it goes to logs and terminals
const unprintable = /[\s\0-\x1f\x7f-\x9f]+/

/** Where a library keeps an image as an OCI artifact. */
export interface OciRedirect {
  readonly url: URL // of the registry; what is below `v2/` is asked there
  readonly token?: string // a secret: to be sent there only
  readonly name?: Repository // where it is not the one that was asked for
}

/** Reads the answer of `v1/oci-redirect`, which alone has no envelope. @throws Fault 'upstream-invalid' */
export function parseOciRedirect(body: Uint8Array): OciRedirect {
  const what = 'the redirect of the library'
  const json: Json = parseJsonObject(body, what)
  const read = readForeignUrl(typeof json.url === 'string' ? json.url : '')
  if (read.outcome === 'refused') throw invalidDocument(what, `it names ${read.why}`)
  return {
    url: new URL(read.url),
    token: typeof json.token === 'string' && /^[\x21-\x7e]{1,16384}$/.test(json.token) ? json.token : undefined,
    name: typeof json.name === 'string' && json.name !== '' ? repositoryIn(json.name, what) : undefined,
  }
}

function repositoryIn(name: string, what: string): Repository {
  try {
    return parseRepository(name)
  } catch (error) {
    if (error instanceof Fault) throw invalidDocument(what, error.message)
    throw error
  }
}
