import { randomBytes } from 'node:crypto'
import type { Opened, Outcome, Resolved } from '../catalog/catalog.ts'
import { printReprDigest } from '../formats/digest-headers.ts'
import type { Listed } from '../mirrors/mirrors.ts'
import { type Artifact, blobOf } from '../model/artifact.ts'
import type { ByteSource, memorySource } from '../model/byte-source.ts'
import type { Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { pieceAt } from '../model/pieces.ts'
import { type ByteRange, printContentRange } from '../model/range.ts'
import type { BlobReference } from '../model/reference.ts'
import {
  artifactFields,
  duplicateFields,
  type FieldOptions,
  type Fields,
  outcomeFields,
  signatureField,
} from './artifact-fields.ts'
import { chooseRanges, evaluate } from './conditions.ts'
import type { Exchange } from './exchange.ts'
import { cut, type Pump } from './pump.ts'
import { versionOf } from './versions.ts'

/** The only place that turns what the catalog found into an answer: status, ranges, fields, bytes. */
export interface Send {
  head(exchange: Exchange, resolved: Resolved, options: FieldOptions): void
  /** Settles when the answer is out. Disposes the bytes. @throws Fault, only while no header was sent */
  body(exchange: Exchange, opened: Opened, options: FieldOptions): Promise<void>
  /** The whole of what is in memory, to a request without conditions or ranges. */
  whole(exchange: Exchange, opened: Opened, options: FieldOptions): void
  /** Answers 304 when the request's conditions say so; true when it was answered. @throws Fault 'precondition-failed' */
  settles(exchange: Exchange, resolved: Resolved, options: FieldOptions): boolean
}

export interface SendDeps {
  /** Other places with the bytes, as far as is known now. */
  readonly placesOf: (reference: BlobReference, size: number) => readonly Listed[]
  /** The hash of what a range of a held blob holds, where that is exactly one piece. */
  readonly pieceDigest: (digest: Digest, size: number, range: ByteRange) => Promise<Digest | undefined>
  readonly pump: Pump
  readonly sent: (bytes: number) => void
  /** A body could not be sent to its end; the connection is cut. */
  readonly brokeOff: (exchange: Exchange, error: unknown) => void
  /** Answers tell their request id, which is of use where the log has it too. */
  readonly tellsId: boolean
}

interface Rendered {
  readonly options: FieldOptions
  readonly fields: Fields
  hit?: { readonly fields: Fields; readonly text: string } // the whole answer, ready
}

const textUpTo = 64 * 1024 // bytes of a body that is kept as a string: Node writes it together with its header, in one call

export function createSend({ pump, placesOf, pieceDigest, sent, brokeOff, tellsId }: SendDeps): Send {
  const rendered = new WeakMap<Artifact, Rendered>()

  /** Artifacts that come from memory come again and again: what is said of them is printed once. */
  function render(artifact: Artifact, options: FieldOptions): Rendered {
    if (options.told) return { options, fields: artifactFields(artifact, options) } // of one request only
    const known = rendered.get(artifact)
    if (known && known.options === options) return known
    const made: Rendered = { options, fields: artifactFields(artifact, options) }
    rendered.set(artifact, made)
    return made
  }

  function idFields({ requestId }: Exchange): Fields {
    return tellsId ? ['X-Request-Id', requestId] : []
  }

  function links({ artifact, signedAs }: Resolved, { own }: FieldOptions): Fields {
    const blob = artifact.size === undefined ? undefined : blobOf(artifact)
    const places = blob ? duplicateFields(placesOf(blob, artifact.size!)) : []
    return signedAs && own !== undefined ? [...places, ...signatureField(own, signedAs)] : places
  }

  function begin(exchange: Exchange, status: number, resolved: Resolved, options: FieldOptions, own: Fields): void {
    const { artifact, outcome } = resolved
    exchange.outcome = outcome.kind
    const { fields } = render(artifact, options)
    exchange.outgoing.writeHead(status, [
      ...fields,
      ...links(resolved, options),
      ...outcomeFields(outcome),
      ...idFields(exchange),
      ...own,
    ])
  }

  function count(exchange: Exchange, bytes: number): void {
    exchange.firstByteAt = performance.now()
    exchange.sent += bytes
    sent(bytes)
  }

  function settles(exchange: Exchange, resolved: Resolved, options: FieldOptions): boolean {
    const version = versionOf(resolved.artifact)
    const verdict = evaluate(exchange.incoming.headers, version)
    if (verdict === 'go-on') return false
    if (verdict === 'failed')
      throw new Fault('precondition-failed', { what: 'If-Match', why: `the content is ${version.etag ?? 'of no known version'}` })
    begin(exchange, 304, resolved, options, [])
    exchange.outgoing.end()
    return true
  }

  function head(exchange: Exchange, resolved: Resolved, options: FieldOptions): void {
    const { size } = resolved.artifact
    begin(exchange, 200, resolved, options, size === undefined ? [] : ['Content-Length', String(size)])
    exchange.outgoing.end()
  }

  function whole(exchange: Exchange, { artifact, outcome, bytes }: Opened, options: FieldOptions): void {
    const made = render(artifact, options)
    made.hit ??= renderHit(made.fields, outcome, bytesOf(bytes)!)
    const { fields, text } = made.hit
    exchange.outcome = outcome.kind
    exchange.outgoing.writeHead(200, tellsId ? [...fields, ...idFields(exchange)] : fields)
    count(exchange, text.length)
    exchange.outgoing.end(text, 'latin1')
  }

  async function body(exchange: Exchange, opened: Opened, options: FieldOptions): Promise<void> {
    const { artifact, bytes } = opened
    try {
      const { size } = bytes
      const ranges = chooseRanges(exchange.incoming.headers, versionOf(artifact), size)
      if (ranges === 'unsatisfiable') throw new Fault('range-unsatisfiable', { size: size ?? 0 })
      if (ranges === 'whole') {
        begin(exchange, 200, opened, options, size === undefined ? [] : ['Content-Length', String(size)])
        await stream(exchange, opened, { start: 0, ...(size === undefined ? {} : { end: size }) })
      } else if (ranges.length === 1) {
        const [range] = ranges as [ByteRange]
        const own = ['Content-Length', String(range.end - range.start), 'Content-Range', printContentRange(range, size)]
        own.push(...(await contentDigest(opened, range)))
        begin(exchange, 206, opened, options, own)
        await stream(exchange, opened, range)
      } else await multipart(exchange, opened, options, ranges, size as number)
    } finally {
      await bytes[Symbol.asyncDispose]()
    }
  }

  /** What is still coming in has no hashes of its pieces yet. @see RFC 9530 §2 */
  async function contentDigest({ artifact, bytes: { size }, from }: Opened, range: ByteRange): Promise<Fields> {
    const [digest] = artifact.digests
    if (from === 'fill' || !digest || size === undefined || pieceAt(range, size) === undefined) return []
    const hash = await pieceDigest(digest, size, range)
    return hash ? ['Content-Digest', printReprDigest([hash])] : []
  }

  /** From here on there is a status, so that a failure can only be shown by breaking off. */
  async function stream(exchange: Exchange, { bytes, from }: Opened, range: { start: number; end?: number }): Promise<void> {
    const held = pump.isPaced ? undefined : bytesOf(bytes)
    if (held) {
      const part = held.subarray(range.start, range.end)
      count(exchange, part.length)
      exchange.outgoing.end(part)
      return
    }
    // The bytes of a fill may be a while in coming, and clients have little patience before the headers.
    if (from === 'fill') exchange.outgoing.flushHeaders()
    await guarded(exchange, async () => {
      await pump.send(exchange, bytes, range)
      exchange.outgoing.end()
    })
  }

  async function guarded(exchange: Exchange, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      brokeOff(exchange, error)
      cut(exchange.outgoing)
    }
  }

  /** @see RFC 9110 §14.6 */
  async function multipart(
    exchange: Exchange,
    opened: Opened,
    options: FieldOptions,
    ranges: readonly ByteRange[],
    size: number,
  ) {
    const { artifact, outcome, bytes } = opened
    const boundary = randomBytes(18).toString('hex')
    const heads = ranges.map((range, at) => {
      const fields = `Content-Type: ${artifact.mediaType}\r\nContent-Range: ${printContentRange(range, size)}\r\n\r\n`
      return Buffer.from(`${at > 0 ? '\r\n' : ''}--${boundary}\r\n${fields}`)
    })
    const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
    const length = ranges.reduce((sum, { start, end }, at) => sum + heads[at]!.length + end - start, tail.length)
    const fields = render(artifact, options).fields.slice()
    fields[fields.indexOf('Content-Type') + 1] = `multipart/byteranges; boundary=${boundary}`
    exchange.outcome = outcome.kind
    fields.push(...links(opened, options), ...outcomeFields(outcome), ...idFields(exchange), 'Content-Length', String(length))
    exchange.outgoing.writeHead(206, fields)
    await guarded(exchange, async () => {
      for (const [at, range] of ranges.entries()) {
        exchange.outgoing.write(heads[at])
        await pump.send(exchange, bytes, range)
      }
      exchange.outgoing.end(tail)
    })
  }

  return { head, body, whole, settles }
}

/** Is this something `whole` is for? */
export function isSmallInMemory({ bytes }: Opened): boolean {
  return (bytesOf(bytes)?.length ?? Number.POSITIVE_INFINITY) <= textUpTo
}

function renderHit(fields: Fields, outcome: Outcome, bytes: Uint8Array): NonNullable<Rendered['hit']> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  return { fields: [...fields, ...outcomeFields(outcome), 'Content-Length', String(bytes.length)], text }
}

function bytesOf(source: ByteSource): Uint8Array | undefined {
  return 'bytes' in source ? (source as ReturnType<typeof memorySource>).bytes : undefined
}
