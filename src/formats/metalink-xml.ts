import { Parser } from 'xml2js'
import { Fault, isFault } from '../model/fault.ts'

export interface MetalinkLimits {
  readonly bytes: number // after any content coding is undone
  readonly depth: number // the root is 1
  readonly elements: number
  readonly files: number
  readonly urls: number // of one file
  readonly urlLength: number // characters
  readonly pieces: number // of one file
}

export const metalinkLimits: MetalinkLimits = {
  bytes: 1024 * 1024,
  depth: 8,
  elements: 100_000,
  files: 64,
  urls: 32,
  urlLength: 2048,
  pieces: 65_536,
}

export interface XmlElement {
  readonly namespace: string
  readonly name: string // without a prefix
  readonly attributes: ReadonlyMap<string, string> // those in no namespace
  readonly text: string // of its own, without surrounding blanks
  readonly children: readonly XmlElement[] // of one name in document order
}

/**
 * Reads a small XML document from outside. Nothing in it is expanded, fetched or executed: a DOCTYPE is refused unread.
 *
 * @param from the URL it came from, for people; without secrets
 * @throws Fault 'upstream-invalid' for whatever is wrong with it
 */
export function readXml(bytes: Uint8Array, from: string, limits: MetalinkLimits): XmlElement {
  if (bytes.length > limits.bytes) throw invalidXml(from, `it has ${bytes.length} bytes, and at most ${limits.bytes} are read`)
  const text = decode(bytes, from)
  for (const { pattern, why } of refusals) if (pattern.test(text)) throw invalidXml(from, why)
  const root = parse(text, from, limits)
  if (!isParsed(root)) throw invalidXml(from, 'it is empty')
  return elementOf(root)
}

export function invalidXml(from: string, why: string, cause?: unknown): Fault<'upstream-invalid'> {
  return new Fault('upstream-invalid', { url: from, why }, cause === undefined ? undefined : { cause })
}

const refusals = [
  { pattern: /^<\?xml\s[^>]*encoding\s*=\s*["'](?!(?:utf-?8|us-ascii)["'])/i, why: 'it says that it is not UTF-8' },
  { pattern: /<!(?!--|\[CDATA\[)/, why: 'it has a DOCTYPE or another declaration' },
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  { pattern: /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/, why: 'it has control characters' },
  // The parser compares each attribute with all before it.
  { pattern: /<[^!?/"'<>][^"'<>]*(?:(?:"[^"]*"|'[^']*')[^"'<>]*){33}/, why: 'it has an element of more than 32 attributes' },
]

function decode(bytes: Uint8Array, from: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw invalidXml(from, 'it is not UTF-8', cause)
  }
}

// Keys that no element can be named, so that none is mistaken for what the parser adds.
const keys = { attrkey: '@', charkey: '#text' } as const

interface Parsed {
  readonly '@'?: Readonly<Record<string, { readonly value: string; readonly local: string; readonly uri: string }>>
  readonly '@ns': { readonly uri: string; readonly local: string }
  readonly '#text'?: string
}

function parse(text: string, from: string, limits: MetalinkLimits): unknown {
  let root: unknown
  let failure: unknown
  const opened = countOpen(from, limits)
  const parser = new Parser({
    ...keys,
    xmlns: true,
    explicitRoot: false,
    tagNameProcessors: [opened.enter],
    validator: (_path: string, _siblings: unknown, value: unknown) => opened.leave(value),
  })
  parser.on('end', (result: unknown) => {
    if (root !== undefined) throw invalidXml(from, 'it has two roots')
    root = result
  })
  // Left alone, the parser would go on to complain of every byte that follows.
  parser.on('error', (error: unknown) => {
    failure ??= error
    throw error
  })
  try {
    parser.parseString(text)
  } catch (error) {
    failure ??= error
  }
  if (failure === undefined) return root
  throw isFault(failure) ? failure : invalidXml(from, `it is not well-formed XML: ${firstLine(failure)}`, failure)
}

/** Enforces depth and count while the document is read: these hooks are called at each opening and closing tag. */
function countOpen(from: string, limits: MetalinkLimits) {
  let depth = 0
  let elements = 0
  return {
    enter(name: string): string {
      depth += 1
      elements += 1
      if (depth > limits.depth) throw invalidXml(from, `its elements are nested more than ${limits.depth} deep`)
      if (elements > limits.elements) throw invalidXml(from, `it has more than ${limits.elements} elements`)
      return name
    },
    leave<Value>(value: Value): Value {
      depth -= 1
      return value
    },
  }
}

function elementOf(parsed: Parsed): XmlElement {
  const attributes = Object.values(parsed['@'] ?? {}).filter(({ uri }) => uri === '')
  const lists = Object.entries(parsed).filter(([key]) => !/^[@#]/.test(key))
  return {
    namespace: parsed['@ns'].uri,
    name: parsed['@ns'].local,
    attributes: new Map(attributes.map(({ local, value }) => [local, value])),
    text: parsed['#text']?.trim() ?? '',
    children: lists.flatMap(([, list]) => (Array.isArray(list) ? list.filter(isParsed).map(elementOf) : [])),
  }
}

function isParsed(value: unknown): value is Parsed {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, '@ns')
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error)
    .split('\n', 1)[0]!
    .slice(0, 100)
}
