import fc from 'fast-check'
import { expect } from 'vitest'
import { type FaultCode, isFault } from '../../src/model/fault.ts'

export const bytesOf = (document: unknown): Buffer =>
  Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))

/** Documents that nobody would write, made of the names that a parser looks for. */
export function anyDocument(names: readonly string[], leaves: readonly unknown[] = []): fc.Arbitrary<Buffer> {
  const key = fc.constantFrom(...names, '__proto__', 'constructor', 'toString', 'length')
  const leaf = fc.oneof(
    fc.constantFrom<unknown>(...leaves, null, true, 0, -1, 1.5, 1e300, '', '12', '\u001b[31m', '\ud800'),
    fc.string(),
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 5 }, leaf, fc.array(tie('tree'), { maxLength: 4 }), fc.dictionary(key, tie('tree'))),
  }))
  return fc.oneof({ weight: 9, arbitrary: tree.map(bytesOf) }, { weight: 1, arbitrary: fc.uint8Array().map(Buffer.from) })
}

/** The fault it ends with; undefined where it ends well. What is no fault, or none of these, fails the test. */
export function faultIn(work: () => unknown, ...codes: readonly FaultCode[]): FaultCode | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    if (!isFault(error, ...codes)) throw error
    expect(error.message.length).toBeLessThan(1000)
    return error.code
  }
}

/** Checks that whatever is in a document, reading it ends with a value or with one of these faults. */
export function neverSurprises(
  parse: (body: Uint8Array) => unknown,
  names: readonly string[],
  codes: readonly FaultCode[] = ['upstream-invalid'],
  leaves: readonly unknown[] = [],
): void {
  fc.assert(
    fc.property(anyDocument(names, leaves), (body) => void faultIn(() => parse(body), ...codes)),
    { numRuns: 300 },
  )
  const deep = '['.repeat(2 ** 20) + ']'.repeat(2 ** 20)
  for (const body of [deep, `{"${names[0]}":${deep}}`]) faultIn(() => parse(Buffer.from(body)), ...codes)
}
