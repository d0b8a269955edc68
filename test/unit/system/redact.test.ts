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
    ['nothing to hide', 'nothing to hide'],
  ])('%j becomes %j', (text, want) => expect(redactText(text)).toBe(want))
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
