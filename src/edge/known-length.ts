import type { Opened, Pulls } from '../catalog/catalog.ts'
import type { ByteSource } from '../model/byte-source.ts'

const step = 256 * 1024

/**
 * Opens what has a length. Where an upstream tells none, the bytes are waited for: some clients take for whole whatever
 * arrives without one.
 */
export function openingWithLength(open: Pulls['open']): Pulls['open'] {
  return async (reference, ask) => {
    const opened = await open(reference, ask)
    if (opened.bytes.size === undefined) await readThrough(opened, ask.signal)
    return opened
  }
}

async function readThrough({ bytes }: Opened, signal: AbortSignal): Promise<void> {
  const buffer = new Uint8Array(step)
  try {
    for (let position = 0, count = 1; count > 0; position += count) count = await read(bytes, buffer, position, signal)
  } catch (error) {
    await bytes[Symbol.asyncDispose]()
    throw error
  }
}

function read(bytes: ByteSource, into: Uint8Array, position: number, signal: AbortSignal): Promise<number> {
  return bytes.read(into, position, signal)
}
