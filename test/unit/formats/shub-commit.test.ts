import { expect, test } from 'vitest'
import { shubCommit } from '../../../src/formats/shub-commit.ts'
import { type ImageReference, parseImageName, type UpstreamId } from '../../../src/model/reference.ts'

const reference: ImageReference = {
  kind: 'image',
  upstream: 'hub' as UpstreamId,
  name: parseImageName('Lab/tool'),
  pointer: 'v1',
  arch: undefined,
}
const version = 'sha256:11'

test('a commit has the shape of one, and stays what it is', () => {
  expect(shubCommit({ reference, version })).toBe('87638bceb178ed6822c73f5124eff227d54cdfa9')
})

test.each([
  ['version', { version: 'sha256:12' }],
  ['tag', { reference: { ...reference, pointer: 'v2' } }],
  ['name', { reference: { ...reference, name: parseImageName('Lab/tools') } }],
  ['upstream', { reference: { ...reference, upstream: 'hub2' as UpstreamId } }],
  ['way to write the same letters', { reference: { ...reference, pointer: 'v' }, version: '1sha256:11' }],
])('it is another one for another %s', (_, change) => {
  expect(shubCommit({ reference, version, ...change })).not.toBe(shubCommit({ reference, version }))
})
