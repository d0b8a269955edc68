import { fileURLToPath } from 'node:url'
import { Fault } from '../model/fault.ts'
import { statFile } from '../system/files.ts'
import { openFile } from '../system/open-file.ts'
import type { PlainReader } from './plain.ts'

const chunkBytes = 256 * 1024

/** Reads files of a folder that the settings name: a shared file system, CVMFS. URLs are made by us, from digests. */
export function createFileTree(): PlainReader {
  return {
    async read({ url }, { range }, signal) {
      const path = fileURLToPath(url)
      const size = (await statFile(path))?.size
      if (size === undefined) throw new Fault('not-found', { what: path })
      const start = range?.start ?? 0
      const end = Math.min(range?.end ?? size, size)
      if (range && start >= end) throw new Fault('source-changed', { url: url.href, why: `it has nothing at ${start}` })

      // Opened by whoever reads: a body that nobody begins leaves nothing behind.
      async function* body(): AsyncGenerator<Uint8Array> {
        const file = await openFile(path, 'read')
        if (!file) throw new Fault('not-found', { what: path })
        const buffer = Buffer.allocUnsafeSlow(chunkBytes)
        try {
          for (let at = start; at < end; ) {
            signal.throwIfAborted()
            const count = await file.read(buffer, Math.min(chunkBytes, end - at), at)
            if (count === 0) throw new Fault('source-cut', { url: url.href, received: at, expected: end })
            yield buffer.subarray(0, count)
            at += count
          }
        } finally {
          await file.close()
        }
      }

      return { status: range ? 206 : 200, range: { start, end }, total: size, validator: undefined, body: body() }
    },
    async sizeAt({ url }) {
      return (await statFile(fileURLToPath(url)))?.size
    },
  }
}
