import { Fault } from '../model/fault.ts'

/** Epoch ms; undefined for the marker of no time, and for what no calendar has. */
export function timeAt(view: DataView, at: number): number | undefined {
  const seconds = Number(view.getBigInt64(at, true))
  return seconds >= 0 && seconds < Date.UTC(10_000, 0) / 1000 ? seconds * 1000 : undefined
}

export function intAt(view: DataView, at: number): number {
  const value = Number(view.getBigInt64(at, true))
  if (!Number.isSafeInteger(value) || value < 0) throw invalidSif(`it names ${value} as a place or a size`)
  return value
}

export function uuidOf(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** UTF-8 up to the first NUL. */
export function textAt(bytes: Uint8Array, from: number, to: number): string {
  const field = bytes.subarray(from, to)
  const end = field.indexOf(0)
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end))
}

export function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.subarray(from, to)).toString('latin1')
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export function invalidSif(why: string): Fault<'upstream-invalid'> {
  return new Fault('upstream-invalid', { url: 'the SIF file', why })
}
