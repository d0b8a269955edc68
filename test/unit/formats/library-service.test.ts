import { describe, expect, test } from 'vitest'
import {
  parseLibraryError,
  parseOciRedirect,
  parseVersion,
  printLibraryError,
  printVersion,
} from '../../../src/formats/library-service.ts'
import { bytesOf, faultIn, neverSurprises } from '../../kit/hostile.ts'

describe('a version', () => {
  test('is printed as clients ask for it, and reads back', () => {
    const version = { version: 'v0.9.0', apiVersion: '2.0.0-alpha.1' }
    expect(printVersion(version)).toBe('{"data":{"version":"v0.9.0","apiVersion":"2.0.0-alpha.1"}}')
    expect(parseVersion(Buffer.from(printVersion(version)))).toEqual(version)
  })

  test('that says nothing semantic says nothing', () => {
    expect(parseVersion(bytesOf({ data: { version: 'new', apiVersion: 2 } }))).toEqual({})
  })

  test('is no surprise', () => neverSurprises(parseVersion, ['data', 'version', 'apiVersion']))
})

describe('an error', () => {
  test('is printed as clients show it', () => {
    expect(JSON.parse(printLibraryError(403, 'not for you'))).toEqual({ error: { code: 403, message: 'not for you' } })
  })

  test('does not send a client to another registry', () => {
    const message = 'it holds application/vnd.oci.image.config.v1+json'
    expect(printLibraryError(502, message)).not.toContain('oci.image.config')
  })

  test.each([
    ['Sylabs', { error: { code: 404, message: 'no such image' } }, 'no such image'],
    ['hinkskalle', { status: 'error', errors: [{ title: 'Fail!', detail: 'Private image', code: 403 }] }, 'Private image'],
    ['sregistry', { detail: 'Authentication Required' }, 'Authentication Required'],
    ['an OCI registry', { errors: [{ code: 'DENIED', message: 'no' }] }, 'no'],
    ['a proxy in between', { message: ' too\r\n many \u001b[31m requests ' }, 'too many [31m requests'],
    ['somebody in one word', { error: 'gone' }, 'gone'],
  ])('is understood of %s', (_who, body, message) => expect(parseLibraryError(bytesOf(body))).toBe(message))

  test.each(['', '<html>502</html>', '[]', '{}', '{"error":{}}', '{"errors":[]}', '{"errors":[7]}', '{"error":{"message":{}}}'])(
    'is not understood of %s',
    (body) => expect(parseLibraryError(Buffer.from(body))).toBeUndefined(),
  )

  test('is cut to a line that a log can hold', () => {
    expect(parseLibraryError(bytesOf({ detail: 'x'.repeat(100_000) }))!.length).toBeLessThanOrEqual(500)
  })

  test('never faults', () => neverSurprises(parseLibraryError, ['error', 'errors', 'message', 'detail', 'title'], []))

  test('reads back as it was', () => expect(parseLibraryError(Buffer.from(printLibraryError(500, 'oh no')))).toBe('oh no'))
})

describe('a redirect to a registry', () => {
  test('names the registry, a token and perhaps another name', () => {
    const read = parseOciRedirect(bytesOf({ url: 'https://reg.example/', token: 'opaque', name: 'library/c/n' }))
    expect(read).toMatchObject({ token: 'opaque', name: 'library/c/n' })
    expect(read.url.href).toBe('https://reg.example/')
    expect(parseOciRedirect(bytesOf({ url: 'https://reg.example', token: 'a\nb', name: '' }))).toEqual({
      url: new URL('https://reg.example/'),
    })
  })

  test.each([
    {},
    { url: '' },
    { url: '/v2/' },
    { url: 'file:///etc/passwd' },
    { url: 'https://user:secret@reg.example/' },
    { url: 7 },
    { url: 'https://reg.example/', name: '../x' },
    [],
  ])('is not in %j', (body) =>
    expect(faultIn(() => parseOciRedirect(bytesOf(body)), 'upstream-invalid')).toBe('upstream-invalid'),
  )

  test('is no surprise', () =>
    neverSurprises(parseOciRedirect, ['url', 'token', 'name'], ['upstream-invalid'], ['https://a.example/']))
})
