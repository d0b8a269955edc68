import { Fault } from '../model/fault.ts'

export type Json = { readonly [key: string]: unknown }

/**
 * Reads a document that must be a JSON object.
 *
 * @param what names it for people; a caller that knows its URL puts that instead
 * @throws Fault 'upstream-invalid'
 */
export function parseJsonObject(bytes: Uint8Array, what: string): Json {
  const json = parseJson(bytes, what)
  if (!isJsonObject(json)) throw invalidDocument(what, 'it is not a JSON object')
  return json
}

/** The same for any JSON. @throws Fault 'upstream-invalid' */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw invalidDocument(what, 'it is not JSON')
  }
}

export function isJsonObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function invalidDocument(what: string, why: string): Fault<'upstream-invalid'> {
  return new Fault('upstream-invalid', { url: what, why })
}
