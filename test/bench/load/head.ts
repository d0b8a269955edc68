/** Takes an HTTP/1.1 answer's head off the front of its bytes, however they are cut. */
export interface HeadReader {
  /** Bytes of the body; undefined until the head is whole. */
  readonly length: number | undefined
  /** Returns where in `bytes` the body begins: at its end while the head is not whole. Throws on anything but a 200 with a length. */
  read(bytes: Buffer): number
}

const longest = 64 * 1024

export function createHeadReader(): HeadReader {
  let text = ''
  let length: number | undefined
  return {
    get length() {
      return length
    },
    read(bytes) {
      const before = text.length
      text += bytes.toString('latin1', 0, longest)
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) {
        if (text.length > longest) throw new Error('an endless head')
        return bytes.length
      }
      length = lengthOf(text.slice(0, end))
      return end + 4 - before
    },
  }
}

function lengthOf(head: string): number {
  const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]
  if (status !== '200') throw new Error(`answered ${status ?? 'no HTTP'}`)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined || Number(length) === 0) throw new Error('answered without a length')
  return Number(length)
}
