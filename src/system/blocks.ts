import type { Lent } from '../model/byte-source.ts'
import type { OpenFile } from './open-file.ts'

export const blockBytes = 1024 * 1024 // half of it costs a tenth more for each byte, measured
const little = 64 * 1024

/**
 * Pieces of files that several readers want at about the same time: read once, and lent to all of them as they are.
 * A crowd that pulls one blob costs the disk and the processor one read, not one each.
 */
export interface Blocks {
  /**
   * What lies at `position`, up to `end` or less. Undefined when it has to be read in the usual way, because all blocks
   * are lent or this place does not fit one. Who wants little at a time is slow and would keep others from a block for
   * long, so that such requests get none while half of them are lent. The bytes between `position` and `end` must not change any more.
   *
   * @throws Fault 'disk-failed'
   */
  borrow(file: OpenFile, position: number, end: number): Promise<Lent | undefined>
  /** The file is about to change or to be closed. */
  forget(file: OpenFile): void
}

interface Block {
  readonly file: OpenFile
  readonly start: number // of the block in the file
  readonly bytes: Uint8Array
  readonly from: number // what is held begins here; positions in the file
  to: number
  users: number // borrowers, and the read under way
  reading: Promise<void> | undefined
}

/** `most`: how many blocks there may be, lent or not. */
export function createBlocks(most: number): Blocks {
  const files = new Map<OpenFile, Map<number, Block>>()
  const idle = new Set<Block>() // in nobody's hands, least recently used first
  const spare: Uint8Array[] = []
  let made = 0
  let lent = 0

  function takeMemory(): Uint8Array | undefined {
    const [oldest] = idle
    if (spare.length === 0 && made >= most && oldest) remove(oldest)
    const bytes = spare.pop()
    if (bytes || made >= most) return bytes
    made++
    return Buffer.allocUnsafeSlow(blockBytes)
  }

  function create(file: OpenFile, start: number, from: number): Block | undefined {
    const bytes = takeMemory()
    if (!bytes) return undefined
    const block: Block = { file, start, bytes, from, to: from, users: 0, reading: undefined }
    const blocks = files.get(file)
    if (blocks) blocks.set(start, block)
    else files.set(file, new Map([[start, block]]))
    return block
  }

  const isKnown = (block: Block): boolean => files.get(block.file)?.get(block.start) === block

  /** Nobody new may have it; its memory is free once it is in nobody's hands. */
  function remove(block: Block): void {
    if (!isKnown(block)) return
    const blocks = files.get(block.file)!
    blocks.delete(block.start)
    if (blocks.size === 0) files.delete(block.file)
    if (idle.delete(block)) spare.push(block.bytes)
  }

  function hold(block: Block): void {
    if (block.users++ === 0) lent++
    idle.delete(block)
  }

  function leave(block: Block): void {
    if (--block.users > 0) return
    lent--
    if (isKnown(block)) idle.add(block)
    else spare.push(block.bytes)
  }

  async function extend(block: Block, end: number): Promise<void> {
    hold(block)
    try {
      const into = block.bytes.subarray(block.to - block.start, end - block.start)
      const count = await block.file.read(into, into.length, block.to)
      if (count === 0) remove(block) // the file is shorter than was said: whoever reads in the usual way will say so
      block.to += count
    } catch (error) {
      remove(block)
      throw error
    } finally {
      block.reading = undefined
      leave(block)
    }
  }

  function lend(block: Block, position: number, end: number): Lent {
    let isHeld = true
    return {
      bytes: block.bytes.subarray(position - block.start, Math.min(end, block.to) - block.start),
      release() {
        if (isHeld) leave(block)
        isHeld = false
      },
    }
  }

  return {
    async borrow(file, position, end) {
      if (end - position <= little && lent >= most / 2) return undefined
      const start = position - (position % blockBytes)
      const limit = Math.min(end, start + blockBytes)
      const block = files.get(file)?.get(start) ?? create(file, start, position)
      if (!block) return undefined
      hold(block)
      try {
        while (block.to === position && isKnown(block)) {
          block.reading ??= extend(block, limit)
          await block.reading
        }
        if (isKnown(block) && block.from <= position && position < block.to) return lend(block, position, limit)
      } catch (error) {
        leave(block)
        throw error
      }
      leave(block)
      return undefined
    },
    forget(file) {
      for (const block of files.get(file)?.values() ?? []) remove(block)
    },
  }
}
