import { createHash } from 'node:crypto'
import { printMetalink4 } from '../../src/formats/metalink4.ts'
import { type Content, MiB } from './blobs.ts'
import type { FakeUpstream } from './fake-upstream.ts'
import type { Fault } from './upstream/rules.ts'

export const pieceLength = MiB
export const described = '/described.meta4'

/** The hashes of the pieces of some bytes; one of them wrong if a piece is given. */
export function hashesOf({ bytes }: Pick<Content, 'bytes'>, wrong?: number): Uint8Array {
  const hashes: Buffer[] = []
  for (let at = 0; at < bytes.length; at += pieceLength)
    hashes.push(
      createHash('sha256')
        .update(bytes.subarray(at, at + pieceLength))
        .digest(),
    )
  const all = new Uint8Array(Buffer.concat(hashes))
  if (wrong !== undefined) all[wrong * 32]! ^= 1
  return all
}

/** A metalink that somebody else could have written about a blob, with pieces. */
export function describeBlob(content: Content, urls: readonly string[], hashes = hashesOf(content)): string {
  return printMetalink4({
    generator: 'test/1',
    origin: 'http://mirrors.example/described.meta4',
    published: 0,
    updated: 0,
    files: [
      {
        name: 'layer',
        size: content.bytes.length,
        digests: [content.digest],
        pieces: { length: pieceLength, algorithm: 'sha256', hashes },
        urls: urls.map((url, at) => ({ url, priority: at + 1 })),
      },
    ],
  })
}

export const documentLink = (url: string) => `<${url}>; rel=describedby; type="application/metalink4+xml"`

/** From now on answers with the blob tell of the document, besides what else they do. */
export function telling(server: FakeUpstream, digest: string, document: string | Buffer, fault: Fault = {}): void {
  const type = { 'content-type': 'application/metalink4+xml' }
  server.fault({ path: described }, { status: 200, headers: type, body: document })
  const link = documentLink(server.url + described)
  server.fault({ path: digest, method: 'GET' }, { ...fault, headers: { ...fault.headers, link } })
}
