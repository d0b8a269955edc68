import { expect, test } from 'vitest'
import { parseShubFindings, printShubFindings, type ShubFindings } from '../../../src/formats/shub-findings.ts'
import { faultIn } from '../../kit/hostile.ts'

const lab = { id: '1', name: 'lab', containers: [{ name: 'tool', tag: 'v1', uri: 'lab/tool:v1', detail: 'a page' }] }

test.each<ShubFindings>([
  { kind: 'collections', collections: [lab] },
  { kind: 'collection', collection: lab },
  { kind: 'collection', collection: undefined },
  { kind: 'images', images: [{ collection: 'lab', name: 'tool', tag: 'v1' }] },
  { kind: 'labels', labels: [{ key: 'maintainer', value: 'me', containers: ['lab/tool:v1'] }] },
])('what was found reads back as it was: %j', (findings) => {
  expect(parseShubFindings(findings.kind, Buffer.from(printShubFindings(findings)))).toEqual({ findings })
})

test('a page tells where the next is', () => {
  const next = 'https://hub.example/api/collections/?page=2'
  expect(parseShubFindings('collections', Buffer.from(JSON.stringify({ results: [], next })))).toMatchObject({ next })
})

test.each(['collections', 'collection', 'images', 'labels'] as const)('a page of HTML is no answer about %s', (kind) => {
  expect(faultIn(() => parseShubFindings(kind, Buffer.from('<html>')))).toBe('upstream-invalid')
})
