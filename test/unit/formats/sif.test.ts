import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fingerprintsOf, isEncrypted, isSigned, readSif } from '../../../src/formats/sif.ts'
import { faultOf } from '../../kit/bytes.ts'
import { buildSif } from '../../kit/sif.ts'

const fingerprint = '9FD33493B87BA1B2985B7992515C6A8733BFE17C'
const whole = buildSif({
  arch: 'arm64',
  definition: 'bootstrap: docker\n',
  json: { 'oci-config.json': { Env: [] } },
  partitions: [
    { bytes: Buffer.alloc(5000, 1), name: 'root' },
    { bytes: Buffer.alloc(10, 2), fileSystem: 2 },
  ],
  signed: [{ fingerprint, hash: 2 }, { form: 'dsse' }, { fingerprint }],
  at: 1_700_000_000,
  id: '12345678-1234-4234-8234-123456789abc',
})

interface Asked {
  readonly offset: number
  readonly length: number
}

/** Reads bytes in memory, and notes what was asked for. */
async function read(bytes: Buffer, { size, asked = [] }: { size?: number; asked?: Asked[] } = {}) {
  return await readSif(async (offset, length) => {
    asked.push({ offset, length })
    return bytes.subarray(offset, offset + length)
  }, size)
}

function changed(change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(whole)
  change(copy)
  return copy
}

const row = (index: number) => 4096 + index * 585

describe('a SIF file tells', () => {
  test('what it is and when it was made', async () => {
    expect(await read(whole)).toMatchObject({
      isRunnable: true,
      arch: 'arm64',
      id: '12345678-1234-4234-8234-123456789abc',
      createdAt: 1_700_000_000_000,
      modifiedAt: 1_700_000_000_000,
    })
  })

  test('nothing of its time where it was made to be reproducible', async () => {
    const image = await read(buildSif())
    expect(image).toMatchObject({ arch: 'amd64', createdAt: undefined, modifiedAt: undefined })
    expect(image?.objects).toEqual([
      expect.objectContaining({ kind: 'partition', fileSystem: 'squashfs', role: 'primary', arch: 'amd64', size: 8192 }),
    ])
  })

  test('each of its objects, in their order', async () => {
    const objects = (await read(whole))!.objects
    const signature = { kind: 'signature', group: undefined, link: { group: 1 } }
    expect(objects).toMatchObject([
      { id: 1, kind: 'other', type: 'definition', group: 1, size: 18, offset: 32176 },
      { id: 2, kind: 'other', type: 'json', name: 'oci-config.json' },
      { id: 3, kind: 'partition', fileSystem: 'squashfs', role: 'primary', name: 'root', size: 5000, offset: 32768 },
      { id: 4, kind: 'partition', fileSystem: 'ext3', role: 'overlay', arch: 'arm64', size: 10, offset: 40960 },
      { id: 5, ...signature, hash: 'sha384', fingerprint, form: 'pgp' },
      { id: 6, ...signature, hash: 'sha256', fingerprint: undefined, form: 'dsse' },
      { id: 7, ...signature, fingerprint },
    ])
  })

  test('whose keys have signed it, each once', async () => {
    const image = (await read(whole))!
    expect([isSigned(image), fingerprintsOf(image)]).toEqual([true, [fingerprint]])
    const plain = (await read(buildSif()))!
    expect([isSigned(plain), fingerprintsOf(plain)]).toEqual([false, []])
  })

  test('whether it needs a key to be read', async () => {
    expect(isEncrypted((await read(whole))!)).toBe(false)
    expect(isEncrypted((await read(buildSif({ partitions: [{ bytes: Buffer.from('x'), fileSystem: 5 }] })))!)).toBe(true)
  })

  test('numbers that nobody knows as what they are', async () => {
    const strange = changed((copy) => {
      copy.write('99', 45)
      copy.writeInt32LE(0x4fff, row(0))
      copy.writeInt32LE(-1, row(2) + 201)
      copy.writeInt32LE(77, row(2) + 205)
      copy.write('\u001b[2J', row(2) + 73)
      copy.write('#!/bin/sh\n', 0)
    })
    const image = (await read(strange))!
    expect(image).toMatchObject({ arch: undefined, isRunnable: false })
    expect(image.objects[0]).toMatchObject({ kind: 'other', type: '0x4fff' })
    expect(image.objects[2]).toMatchObject({ fileSystem: undefined, role: undefined, name: '[2J' })
  })
})

describe('refused is a file', () => {
  test.each([
    ['of a later version', changed((copy) => copy.write('02', 42))],
    ['of more objects than anybody has', changed((copy) => copy.writeBigInt64LE(1025n, 88))],
    ['of fewer than none', changed((copy) => copy.writeBigInt64LE(-1n, 88))],
    ['with its table beyond its end', changed((copy) => copy.writeBigInt64LE(BigInt(whole.length), 96))],
    ['with its table beyond counting', changed((copy) => copy.writeBigInt64LE(2n ** 62n, 96))],
    ['with its table before its start', changed((copy) => copy.writeBigInt64LE(-4096n, 96))],
    ['with an object before its start', changed((copy) => copy.writeBigInt64LE(-1n, row(0) + 17))],
    ['with an object of a size below zero', changed((copy) => copy.writeBigInt64LE(-1n, row(0) + 25))],
    ['with an object beyond counting', changed((copy) => copy.writeBigInt64LE(2n ** 60n, row(0) + 25))],
    ['with an object beyond its end', changed((copy) => copy.writeBigInt64LE(BigInt(whole.length), row(2) + 25))],
    ['of a hundred signatures', manySignatures(100)],
    ['cut in its table', whole.subarray(0, 20_000)],
    ['cut in its last object', whole.subarray(0, -1)],
  ])('%s', async (_name, bytes) => {
    expect(await faultOf(read(bytes, { size: bytes.length }))).toBe('upstream-invalid')
  })

  function manySignatures(count: number): Buffer {
    const copy = Buffer.concat([whole, Buffer.alloc(count * 585)])
    const signature = whole.subarray(row(4), row(5))
    for (let index = 0; index < count; index++) signature.copy(copy, whole.length + index * 585)
    copy.writeBigInt64LE(BigInt(count), 88)
    copy.writeBigInt64LE(BigInt(whole.length), 96)
    return copy
  }
})

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a header that is cut', whole.subarray(0, 127)],
  ['zeros', Buffer.alloc(100_000)],
  ['a squashfs', Buffer.from('hsqs'.repeat(100))],
  ['a script', Buffer.from('#!/usr/bin/env run-singularity\n'.repeat(10))],
])('%s is no SIF file', async (_name, bytes) => expect(await read(bytes)).toBeUndefined())

test('no more is read than the header, the table and the start of each signature', async () => {
  const asked: Asked[] = []
  await read(
    changed((copy) => copy.writeBigInt64LE(1_000_000n, row(4) + 25)),
    { asked },
  )
  expect(asked.map(({ length }) => length)).toEqual([128, 48 * 585, 256, 91, 122])
  expect(asked.map(({ offset }) => offset).slice(0, 2)).toEqual([0, 4096])
})

test('an object of a file of unknown size may lie behind what can be read yet', async () => {
  expect((await read(whole.subarray(0, 33_000)))?.objects).toHaveLength(7)
})

test('whatever the bytes are, it ends with an image, with nothing or with one fault', async () => {
  const change = fc.record({
    at: fc.oneof(fc.nat(127), fc.integer({ min: 4096, max: row(8) })),
    bytes: fc.uint8Array({ maxLength: 9 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 6 }), fc.option(fc.nat(whole.length)), async (changes, cut) => {
      const bytes = changed((copy) => {
        for (const one of changes) copy.set(one.bytes, one.at)
      }).subarray(0, cut ?? whole.length)
      const asked: Asked[] = []
      expect([undefined, 'upstream-invalid']).toContain(await faultOf(read(bytes, { size: bytes.length, asked })))
      for (const { offset, length } of asked) {
        expect(Number.isSafeInteger(offset) && offset >= 0 && length >= 0 && length <= 1024 * 585).toBe(true)
      }
    }),
    { numRuns: 500 },
  )
})
