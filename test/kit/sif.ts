import { seededBytes } from './blobs.ts'

export interface SifPartition {
  readonly bytes: Uint8Array
  readonly fileSystem?: number // 1 squashfs, 2 ext3, 3 archive, 4 raw, 5 encrypted squashfs
  readonly role?: number // 1 system, 2 primary, 3 data, 4 overlay
  readonly name?: string
}

export interface SifSignature {
  readonly fingerprint?: string // 40 digits in hex
  readonly hash?: number // 1 sha256, 2 sha384, 3 sha512
  readonly form?: 'pgp' | 'dsse'
}

export interface SifOptions {
  readonly arch?: string // as Go names it
  readonly partitions?: readonly SifPartition[]
  readonly definition?: string
  readonly json?: Readonly<Record<string, unknown>> // by name
  readonly signed?: readonly SifSignature[] // of the shape of a signature; no key has made it
  readonly at?: number // epoch seconds; by default there is no time
  readonly id?: string // a UUID
}

interface Part {
  readonly type: number
  readonly bytes: Uint8Array
  readonly name?: string
  readonly group?: number
  readonly link?: number
  readonly extra?: Uint8Array
  readonly isAligned?: boolean
}

const codes: Readonly<Record<string, string>> = { unknown: '00', '386': '01', amd64: '02', arm: '03', arm64: '04', s390x: '11' }
const room = 48
const tableAt = 4096
const rowLength = 585
const dataAt = tableAt + room * rowLength
const groupOne = 0xf0000001
const noGroup = 0xf0000000
const noTime = -62135596800

/** A SIF file that clients can list: by default of one partition, the bytes of which are no file system. */
export function buildSif(options: SifOptions = {}): Buffer {
  const { arch = 'amd64', at = noTime, id = '00000000-0000-0000-0000-000000000000' } = options
  const parts = partsOf({ ...options, arch })
  const table = Buffer.alloc(room * rowLength)
  const data: Buffer[] = []
  let end = dataAt
  for (const [index, part] of parts.entries()) {
    const start = part.isAligned ? Math.ceil(end / 4096) * 4096 : end
    data.push(Buffer.alloc(start - end), Buffer.from(part.bytes))
    rowOf(part, index + 1, start, start - end, at).copy(table, index * rowLength)
    end = start + part.bytes.length
  }
  const header = Buffer.alloc(tableAt)
  header.write('#!/usr/bin/env run-singularity\n', 0)
  header.write('SIF_MAGIC\0', 32)
  header.write('01\0', 42)
  header.write(`${codeOf(arch)}\0`, 45)
  header.write(id.replaceAll('-', ''), 48, 'hex')
  const numbers = [at, at, room - parts.length, room, tableAt, table.length, dataAt, end - dataAt]
  for (const [index, number] of numbers.entries()) header.writeBigInt64LE(BigInt(number), 64 + index * 8)
  return Buffer.concat([header, table, ...data])
}

function partsOf(options: SifOptions & { readonly arch: string }): readonly Part[] {
  const { arch, partitions = usualPartitions(), definition, json = {}, signed = [] } = options
  return [
    ...(definition === undefined ? [] : [{ type: 0x4001, bytes: Buffer.from(definition) }]),
    ...Object.entries(json).map(([name, value]) => ({ type: 0x4006, bytes: Buffer.from(JSON.stringify(value)), name })),
    ...partitions.map((partition, index) => ({
      type: 0x4004,
      bytes: partition.bytes,
      name: partition.name,
      extra: partitionExtra(partition, index === 0 ? 2 : 4, arch),
      isAligned: true,
    })),
    ...signed.map((signature) => ({
      type: 0x4005,
      bytes: Buffer.from(signatureText(signature)),
      group: noGroup,
      link: groupOne,
      extra: signatureExtra(signature),
    })),
  ]
}

function usualPartitions(): readonly SifPartition[] {
  return [{ bytes: seededBytes(8192, 'partition') }]
}

function partitionExtra({ fileSystem = 1, role }: SifPartition, usualRole: number, arch: string): Buffer {
  const extra = Buffer.alloc(11)
  extra.writeInt32LE(fileSystem, 0)
  extra.writeInt32LE(role ?? usualRole, 4)
  extra.write(`${codeOf(arch)}\0`, 8)
  return extra
}

function signatureExtra({ fingerprint = '', hash = 1 }: SifSignature): Buffer {
  const extra = Buffer.alloc(260)
  extra.writeInt32LE(hash, 0)
  extra.write(fingerprint, 4, 'hex')
  return extra
}

function signatureText({ form = 'pgp' }: SifSignature): string {
  return form === 'dsse'
    ? JSON.stringify({ payloadType: 'application/vnd.sylabs.sif-metadata+json', payload: 'e30=', signatures: [] })
    : '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{"version":1}\n-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n'
}

function rowOf(part: Part, id: number, start: number, padding: number, at: number): Buffer {
  const row = Buffer.alloc(rowLength)
  row.writeInt32LE(part.type, 0)
  row.writeUInt8(1, 4)
  row.writeUInt32LE(id, 5)
  row.writeUInt32LE(part.group ?? groupOne, 9)
  row.writeUInt32LE(part.link ?? 0, 13)
  const numbers = [start, part.bytes.length, part.bytes.length + padding, at, at, 0, 0]
  for (const [index, number] of numbers.entries()) row.writeBigInt64LE(BigInt(number), 17 + index * 8)
  row.write(part.name ?? '', 73, 127)
  row.set(part.extra ?? [], 201)
  return row
}

function codeOf(arch: string): string {
  return codes[arch] ?? codes.unknown!
}
