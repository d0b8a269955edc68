import { expect } from 'vitest'
import type { Reply } from './ask.ts'
import { lintMetalink } from './metalink-lint.ts'
import { hasXmllint, refusedBySchema } from './metalink-schema.ts'

export interface ToldUrl {
  readonly url: string
  readonly priority: number
  readonly location: string | undefined
}

export interface ToldFile {
  readonly name: string
  readonly size: number
  readonly sha256: string // hex
  readonly pieces: readonly string[]
  readonly pieceLength: number | undefined
  readonly urls: readonly ToldUrl[] // in document order
}

export interface ToldDocument {
  readonly text: string
  readonly origin: string
  readonly published: string
  readonly updated: string
  readonly files: readonly ToldFile[]
}

const withSchema = hasXmllint()

/** What a metalink answer says; the answer has to be one, well formed, free of lint and, where xmllint is, valid. */
export function readMetalink(reply: Reply, own: string, trees: readonly string[] = []): ToldDocument {
  expect([reply.status, reply.headers['content-type'], reply.end]).toEqual([200, 'application/metalink4+xml', 'clean'])
  expect(reply.headers['content-length']).toBe(String(reply.body.length))
  const text = reply.body.toString()
  expect(lintMetalink(text, { own, trees })).toEqual([])
  if (withSchema) expect(refusedBySchema([text])).toMatchObject({ refused: [] })
  return {
    text,
    origin: unescaped(only(text, 'origin')),
    published: only(text, 'published'),
    updated: only(text, 'updated'),
    files: [...text.matchAll(/<file name="([^"]*)">(.*?)<\/file>/gs)].map(([, name = '', body = '']) => fileOf(name, body)),
  }
}

function fileOf(name: string, body: string): ToldFile {
  const pieces = /<pieces\b([^>]*)>(.*?)<\/pieces>/s.exec(body)
  const length = /length="(\d+)"/.exec(pieces?.[1] ?? '')?.[1]
  return {
    name: unescaped(name),
    size: Number(only(body, 'size')),
    sha256: /<hash type="sha-256">([0-9a-f]+)</.exec(body)?.[1] ?? '',
    pieces: [...(pieces?.[2] ?? '').matchAll(/<hash>([0-9a-f]+)</g)].map(([, hash = '']) => hash),
    pieceLength: length === undefined ? undefined : Number(length),
    urls: [...body.matchAll(/<url\b([^>]*)>([^<]*)<\/url>/g)].map(([, attributes = '', url = '']) => ({
      url: unescaped(url),
      priority: Number(/priority="(\d+)"/.exec(attributes)?.[1]),
      location: /location="([^"]*)"/.exec(attributes)?.[1],
    })),
  }
}

function only(text: string, element: string): string {
  return new RegExp(`<${element}\\b[^>]*>([^<]*)</${element}>`).exec(text)?.[1] ?? ''
}

function unescaped(text: string): string {
  return text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&')
}

/** The values of all field lines of that name, as they came. */
export function lines({ rawHeaders }: Pick<Reply, 'rawHeaders'>, name: string): readonly string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === name)
}

export function duplicates(reply: Pick<Reply, 'rawHeaders'>): readonly string[] {
  return lines(reply, 'link').filter((line) => line.includes('rel=duplicate'))
}
