import { intAt, invalidSif, latin1, textAt, viewOf } from './sif-bytes.ts'
import {
  architectures,
  descriptorAt,
  fileSystems,
  groupMask,
  objectKinds,
  partitionRoles,
  signatureHashes,
} from './sif-layout.ts'

export type SifObject = SifCommon &
  (
    | { readonly kind: 'partition'; readonly fileSystem: FileSystem; readonly role: Role; readonly arch: string | undefined }
    | {
        readonly kind: 'signature'
        readonly hash: SignatureHash
        readonly fingerprint: string | undefined // of the key, 40 digits in hex; none where a bare key has signed
        readonly form: 'pgp' | 'dsse' | undefined
      }
    | { readonly kind: 'other'; readonly type: string } // see sif-layout.ts; its number in hex for what is not there
  )

interface SifCommon {
  readonly id: number
  readonly group: number | undefined
  readonly link: { readonly group: number } | { readonly object: number } | undefined // what a signature is of
  readonly offset: number // bytes from the start of the file
  readonly size: number // bytes
  readonly name: string | undefined
}

export type FileSystem = (typeof fileSystems)[number]
type Role = (typeof partitionRoles)[number]
type SignatureHash = (typeof signatureHashes)[number]

/** Gives that many bytes from there, or fewer where the file ends before. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>

const startOfSignature = 256

/** Reads one object from its bytes in the table. @throws Fault 'upstream-invalid' */
export async function readObject(raw: Uint8Array, readAt: ReadAt, fileSize: number | undefined): Promise<SifObject> {
  const view = viewOf(raw)
  const common = readCommon(raw, view)
  const { id, offset, size } = common
  if (offset + size > (fileSize ?? Number.MAX_SAFE_INTEGER)) throw invalidSif(`it ends before its object ${id} does`)
  const extra = descriptorAt.extra
  switch (kindOf(raw)) {
    case 'partition':
      return {
        ...common,
        kind: 'partition',
        fileSystem: fileSystems[view.getInt32(extra, true)],
        role: partitionRoles[view.getInt32(extra + 4, true)],
        arch: archAt(raw, extra + 8),
      }
    case 'signature':
      return {
        ...common,
        kind: 'signature',
        hash: signatureHashes[view.getInt32(extra, true)],
        fingerprint: fingerprintAt(raw, extra + 4),
        form: formOf(await readAt(offset, Math.min(size, startOfSignature))),
      }
    default:
      return { ...common, kind: 'other', type: kindOf(raw) }
  }
}

function readCommon(raw: Uint8Array, view: DataView): SifCommon {
  const group = view.getUint32(descriptorAt.group, true)
  const link = view.getUint32(descriptorAt.link, true)
  return {
    id: view.getUint32(descriptorAt.id, true),
    group: unmasked(group) || undefined,
    link: link === 0 ? undefined : link >= groupMask ? { group: unmasked(link) } : { object: link },
    offset: intAt(view, descriptorAt.offset),
    size: intAt(view, descriptorAt.size),
    name: nameAt(raw),
  }
}

function unmasked(group: number): number {
  return group >= groupMask ? group - groupMask : group
}

export function kindOf(raw: Uint8Array): string {
  const type = viewOf(raw).getInt32(descriptorAt.type, true)
  return objectKinds.get(type) ?? `0x${(type >>> 0).toString(16)}`
}

/** A signature of Go's PGP is clear text in a frame; one by a bare key is an envelope in JSON. */
function formOf(start: Uint8Array): 'pgp' | 'dsse' | undefined {
  const text = latin1(start, 0, start.length)
  if (text.startsWith('-----BEGIN PGP SIGNED MESSAGE-----')) return 'pgp'
  return /^\s*\{.*"payloadType"/s.test(text) ? 'dsse' : undefined
}

function fingerprintAt(raw: Uint8Array, at: number): string | undefined {
  const hex = Buffer.from(raw.subarray(at, at + 20))
    .toString('hex')
    .toUpperCase()
  return /^0+$/.test(hex) ? undefined : hex
}

/** By its number, in two digits. */
export function archAt(bytes: Uint8Array, at: number): string | undefined {
  const digits = latin1(bytes, at, at + 2)
  return /^\d\d$/.test(digits) ? architectures[Number(digits)] : undefined
}

function nameAt(raw: Uint8Array): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is shown on terminals
  const name = textAt(raw, descriptorAt.name, descriptorAt.extra).replace(/[\0-\x1f\x7f-\x9f]/g, '')
  return name === '' ? undefined : name
}
