import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseChallenges } from '../../../src/formats/auth-challenge.ts'
import { workTime } from '../../kit/work-time.ts'

const read = (...fields: string[]) =>
  parseChallenges(fields).map(({ scheme, parameters }) => ({ scheme, ...Object.fromEntries(parameters) }))

describe('a challenge', () => {
  test('is read as Docker Hub writes it', () => {
    expect(
      read('Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"'),
    ).toEqual([
      {
        scheme: 'bearer',
        realm: 'https://auth.docker.io/token',
        service: 'registry.docker.io',
        scope: 'repository:library/alpine:pull',
      },
    ])
  })

  test.each([
    { field: 'Basic realm="a, Bearer realm=b"', want: [{ scheme: 'basic', realm: 'a, Bearer realm=b' }] },
    { field: 'BASIC Realm=plain', want: [{ scheme: 'basic', realm: 'plain' }] },
    { field: 'Basic realm="a \\"b\\" \\\\ c"', want: [{ scheme: 'basic', realm: 'a "b" \\ c' }] },
    { field: 'Basic realm=""', want: [{ scheme: 'basic', realm: '' }] },
    { field: 'Bearer realm = "x" , error="y"', want: [{ scheme: 'bearer', realm: 'x', error: 'y' }] },
    { field: 'Bearer scope="repository:a:pull,push"', want: [{ scheme: 'bearer', scope: 'repository:a:pull,push' }] },
    {
      field: 'Basic realm="a", Bearer realm="b",service="c"',
      want: [
        { scheme: 'basic', realm: 'a' },
        { scheme: 'bearer', realm: 'b', service: 'c' },
      ],
    },
    { field: 'Negotiate', want: [{ scheme: 'negotiate' }] },
    { field: 'Negotiate, Basic realm="b"', want: [{ scheme: 'negotiate' }, { scheme: 'basic', realm: 'b' }] },
    {
      field: 'Negotiate , NTLM,Basic realm="b"',
      want: [{ scheme: 'negotiate' }, { scheme: 'ntlm' }, { scheme: 'basic', realm: 'b' }],
    },
    { field: 'Negotiate abc123==, Basic realm="b"', want: [{ scheme: 'negotiate' }, { scheme: 'basic', realm: 'b' }] },
    { field: '  Basic   realm="b"  ', want: [{ scheme: 'basic', realm: 'b' }] },
    { field: 'Bearer realm="x",,  service="y",', want: [{ scheme: 'bearer', realm: 'x', service: 'y' }] },
    { field: ', Basic realm="b"', want: [{ scheme: 'basic', realm: 'b' }] },
    { field: '', want: [] },
    { field: 'Bearer realm="never closed', want: [{ scheme: 'bearer' }] },
    { field: 'Basic realm="a" é', want: [{ scheme: 'basic', realm: 'a' }] },
  ])('%j', ({ field, want }) => expect(read(field)).toEqual(want))

  test('may stand in several fields', () => {
    expect(read('Basic realm="a"', 'Bearer realm="b"').map(({ scheme }) => scheme)).toEqual(['basic', 'bearer'])
  })

  test('what was written is what is read', () => {
    const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,9}$/)
    const text = fc.string({ unit: 'grapheme-ascii', maxLength: 30 })
    const challenge = fc.record({
      scheme: token,
      parameters: fc.uniqueArray(fc.tuple(token, text), { minLength: 1, maxLength: 4, selector: ([name]) => name.toLowerCase() }),
    })
    const quote = (value: string) => `"${value.replace(/["\\]/g, '\\$&')}"`
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 3 }), (challenges) => {
        const field = challenges
          .map(({ scheme, parameters }) => `${scheme} ${parameters.map(([name, value]) => `${name}=${quote(value)}`).join(', ')}`)
          .join(', ')
        expect(parseChallenges([field])).toEqual(
          challenges.map(({ scheme, parameters }) => ({
            scheme: scheme.toLowerCase(),
            parameters: new Map(parameters.map(([name, value]) => [name.toLowerCase(), value])),
          })),
        )
      }),
    )
  })

  test('anything at all is read without a fault', () => {
    const noise = fc.string({ unit: fc.constantFrom('B', 'a', ' ', ',', '=', '"', '\\', '\t', '/', '\0', 'é') })
    fc.assert(
      fc.property(noise, (field) => void parseChallenges([field])),
      { numRuns: 2000 },
    )
  })

  test.each([',', ' ', '"', '\\', 'a', 'a=', 'a="', 'a, ', 'a=b,', '=', '\t', 'a \\"'])(
    '64 KiB of %j take no time to speak of',
    (piece) => {
      const field = `Bearer ${piece.repeat(65_536 / piece.length)}`
      const unended = `Bearer realm="${piece.repeat(10_000)}`
      expect(workTime(() => parseChallenges([field, unended]))).toBeLessThan(1_000)
    },
  )
})
