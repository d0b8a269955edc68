import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isSecretName, redactText, redactUrl } from '../../../src/system/redact.ts'

describe('a URL for people', () => {
  test.each([
    ['https://ada:secret@host.example:8443/a/b?X-Signature=abc#frag', 'https://host.example:8443/a/b'],
    ['https://host.example', 'https://host.example/'],
    ['redis://:secret@cache:6379/0', 'redis://cache:6379/0'],
    ['not a url?token=secret', 'not a url'],
    ['http://ada:secret@[broken/x?y', 'http://[broken/x'],
    ['http://ada:sec?ret@broken/x?y', 'http://broken/x'],
    ['x'.repeat(1000), 'x'.repeat(300)],
  ])('%s becomes %s', (url, want) => expect(redactUrl(url)).toBe(want))

  test('never shows user, password, query or fragment', () => {
    const secret = fc.stringMatching(/^S3CRET[A-Za-z0-9]{1,20}$/)
    const host = fc.constantFrom('host', '127.0.0.1:80', '[::1]:1', '[bad', 'a b', '')
    fc.assert(
      fc.property(secret, host, (word, place) => {
        const url = `https://${word}:${word}@${place}/path?a=${word}#${word}`
        return !redactUrl(url).includes('S3CRET')
      }),
    )
  })
})

describe('text of others', () => {
  test.each([
    ['connect to https://ada:pw@h/x?sig=1 failed', 'connect to https://h/x failed'],
    ['sent Authorization: Bearer abc.def-ghi_123', 'sent Authorization: Bearer [secret]'],
    ['Basic YWRhOnNlY3JldA== was refused', 'Basic [secret] was refused'],
    ['"https://a/b?c","https://d/e?f"', '"https://a/b","https://d/e"'],
    ["'https://a/b?c' and 'https://d/e#f'", "'https://a/b' and 'https://d/e'"],
    ['asked (https://a/b?c): it failed', 'asked (https://a/b): it failed'],
    ['https://ada:pw@h/x?sig=1: it failed', 'https://h/x: it failed'],
    ["https://ada:it's@h/x", 'https://h/x'],
    ['https://ada:p/w@h/x', 'https://h/x'],
    ['https://ada:p?w@h/x', 'https://h/x'],
    ['docker://ada:pw@h/lab/tool@sha256:0123456789abcdef', 'docker://h/lab/tool@sha256:0123456789abcdef'],
    ['by the proxy ada:pw@proxy:3128', 'by the proxy [secret]@proxy:3128'],
    [`it was forebay_${'a'.repeat(204)}.`, 'it was [secret].'],
    [`forebayt_${'a'.repeat(100)} is over`, '[secret] is over'],
    ['/token?service=hub&token=abcdefgh&x=1', '/token?service=hub&token=[secret]&x=1'],
    ['expected Basic realm="forebay"', 'expected Basic realm="forebay"'],
    ['nothing to hide', 'nothing to hide'],
  ])('%j becomes %j', (text, want) => expect(redactText(text)).toBe(want))

  const around = fc.constantFrom(
    (text: string) => text,
    (text: string) => `${text}: it is not there`,
    (text: string) => `"${text}", and more`,
    (text: string) => `asked '${text}', and more`,
    (text: string) => `forebay get ${text} (exit 1).`,
    (text: string) => `{"url":"${text}","code":1}`,
  )
  const host = fc.constantFrom('h.example', 'h.example:8443', '127.0.0.1:5000', '[::1]:5000', 'localhost')
  const schemes = fc.constantFrom('https', 'http', 'docker', 'oras', 'library', 'shub', 'redis', 'HTTPS')
  const junk = (without: RegExp) => fc.string({ unit: 'grapheme-ascii' }).map((text) => text.replace(without, ''))

  test('keeps no secret, however it is written', () => {
    const any = junk(/[\s"<>]/g).map((text) => `S3CRET${text}S3CRET`)
    const query = junk(/[^A-Za-z0-9%=&'._~/?:@!$()*+,;-]/g).map((text) => `S3CRET${text}S3CRET`)
    const bare = junk(/[\s"<>@/]/g).map((text) => `S3CRET${text}S3CRET`)
    const token = fc.stringMatching(/^S3CRET[A-Za-z0-9._~+/=-]{1,40}$/)
    const secret = fc.oneof(
      fc.tuple(schemes, any, host).map(([scheme, word, place]) => `${scheme}://ada:${word}@${place}/lab/tool:1`),
      fc.tuple(schemes, any, host).map(([scheme, word, place]) => `${scheme}://:${word}@${place}`),
      fc.tuple(schemes, token, host).map(([scheme, word, place]) => `${scheme}://${word.replaceAll('/', '')}@${place}/x`),
      fc.tuple(schemes, query, host).map(([scheme, word, place]) => `${scheme}://${place}/x?a=1&sig=${word}`),
      fc.tuple(schemes, query, host).map(([scheme, word, place]) => `${scheme}://${place}/x#${word}`),
      fc.tuple(bare, host).map(([word, place]) => `ada:${word}@${place}`),
      token.map((word) => `Bearer ${word}`),
      token.map((word) => `Basic ${word}`),
      token.map((word) => `/x?token=${word}`),
    )
    fc.assert(
      fc.property(secret, around, (text, put) => !redactText(put(text)).includes('S3CRET')),
      { numRuns: 2000 },
    )
  })

  test('keeps a reference as it is', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9]{1,8}(?:[._-][a-z0-9]{1,8})?$/)
    const name = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('/'))
    const tag = fc.oneof(fc.constant(''), fc.stringMatching(/^:[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/))
    const digest = fc.oneof(
      fc.constant(''),
      fc.stringMatching(/^@sha256:[0-9a-f]{64}$/),
      fc.stringMatching(/^@md5:[0-9a-f]{32}$/),
    )
    const begin = fc.oneof(
      fc.constantFrom('', 'docker://', 'oras://', 'shub://', 'library://'),
      host.map((place) => `docker://${place}/`),
      host.map((place) => `${place}/`),
      fc.constant('https://h.example/a/'),
    )
    const arch = fc.constantFrom('', 'amd64', 'arm64')
    const reference = fc
      .tuple(begin, name, tag, digest, arch)
      .map(([begin, name, tag, digest, arch]) => [begin, name, tag, digest, begin === 'library://' && arch && `?arch=${arch}`])
      .map((parts) => parts.filter(Boolean).join(''))
    fc.assert(
      fc.property(reference, around, (text, put) => {
        expect(redactText(put(text))).toBe(put(text))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    'shub://weak:tag',
    'shub://weak: it is not there',
    'shub://lab/tool:latest@0123abc',
    'shub://127.0.0.1:5000/lab/tool@0123abc',
    'singularityhub.org/lab/tool:latest@0123abc',
    'docker://alpine@sha256:0123456',
    'docker://ALPINE:443',
    'see https://H.example:443/a/../b.',
  ])('%j stays', (text) => expect(redactText(text)).toBe(text))
})

test.each([
  'authorization',
  'Proxy-Authorization',
  'set-cookie',
  'password',
  'registrytoken',
  'clientSecret',
  'API-KEY',
  'credentials',
])('a field named %s is not shown', (name) => expect(isSecretName(name)).toBe(true))
test.each(['digest', 'url', 'key', 'path', 'repository'])('a field named %s is shown', (name) =>
  expect(isSecretName(name)).toBe(false),
)
