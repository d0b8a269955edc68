import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { publicUrlOf } from '../../../src/config/public-url.ts'
import { isFault } from '../../../src/model/fault.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

const least = 'upstreams: { lab: { kind: oci, url: "https://lab.example" } }\n'
let folder: TempFolder
beforeAll(async () => {
  folder = await tempFolder()
})
afterAll(() => folder[Symbol.asyncDispose]())

function load(text: string, env: NodeJS.ProcessEnv = {}) {
  const file = join(folder.path, 'site.yaml')
  writeFileSync(file, least + text)
  return loadConfig(file, env)
}

function mistakes(text: string): readonly string[] {
  try {
    load(text)
    return []
  } catch (error) {
    if (isFault(error, 'config-invalid')) return error.details.mistakes
    throw error
  }
}

describe('a listener with TLS', () => {
  test('has its files relative to the settings, and HTTP/2 unless said', () => {
    const [door] = load('listen: { port: 443, tls: { certificate: a.crt, key: /etc/b.key, clientCa: ../c.crt } }').listen
    expect(door!.tls).toEqual({
      certificate: join(folder.path, 'a.crt'),
      key: '/etc/b.key',
      clientCa: join(folder.path, '..', 'c.crt'),
      http2: true,
    })
  })

  test('makes the URL that is guessed an https one', () => {
    const tls = 'tls: { certificate: a, key: b }'
    expect(publicUrlOf(load(`listen: { host: forebay.example, port: 8443, ${tls} }`))).toBe('https://forebay.example:8443')
    expect(publicUrlOf(load('listen: { host: forebay.example, port: 8443 }'))).toBe('http://forebay.example:8443')
    expect(publicUrlOf(load(`listen: { host: "0.0.0.0", port: 8443, ${tls} }`))).toBeUndefined()
  })

  test('may be given by variables', () => {
    const env = { FOREBAY_LISTEN_PORT: '8443', FOREBAY_LISTEN_TLS_CERTIFICATE: '/a', FOREBAY_LISTEN_TLS_KEY: '/b' }
    expect(load('', { ...env, FOREBAY_LISTEN_TLS_HTTP2: 'false' }).listen).toMatchObject([
      { port: 8443, tls: { certificate: '/a', key: '/b', http2: false } },
    ])
  })

  test('among others is not changed by variables that cannot say which one they mean', () => {
    expect(() => load('listen: [{ port: 1 }, { port: 2 }]', { FOREBAY_LISTEN_HOST: '::' })).toThrow(
      /FOREBAY_LISTEN_…: .* has a list/,
    )
  })

  test.each([
    ['listen: { tls: { certificate: 3 } }', ['listen.tls.certificate: 3 is wrong', 'listen.tls.key: expected string']],
    ['listen: [{ port: 1 }, { port: 2, tsl: {} }]', ['listen.1.tsl: there is no such setting']],
    [
      'listen: { tls: { certificate: a, key: b, clientCertificate: optional } }',
      ['listen.tls.clientCertificate: say by clientCa'],
    ],
    ['listen: { port: 1, tls: { certificate: a, key: b, ca: c } }', ['listen.tls.ca: there is no such setting']],
    ['listen: 8080', ['listen: 8080 is wrong: expected { host, port }']],
  ])('%s is told as it is', (text, expected) => {
    const found = mistakes(text)
    expect(found).toHaveLength(expected.length)
    for (const [at, mistake] of expected.entries()) expect(found[at]).toContain(mistake)
  })
})

describe('a listener that redirects', () => {
  test.each([
    ['listen: { redirect: true }', 'listen.redirect: say by publicUrl'],
    ['listen: { redirect: true }\npublicUrl: http://a.example', 'listen.redirect: say by publicUrl'],
    ['listen: [{ host: "::", tls: { certificate: a, key: b } }, { redirect: true }]', 'listen.1.redirect: say by publicUrl'],
    [
      'listen: { redirect: true, tls: { certificate: a, key: b } }\npublicUrl: https://a',
      'listen.redirect: this is for a listener without tls',
    ],
  ])('%s does not know where to', (text, mistake) => expect(mistakes(text)).toEqual([expect.stringContaining(mistake)]))

  test.each([
    ['listen: { redirect: true }\npublicUrl: https://a.example'],
    ['listen: [{ host: a.example, tls: { certificate: a, key: b } }, { host: "::", redirect: true }]'],
  ])('%s does', (text) => expect(mistakes(text)).toEqual([]))
})

describe('limits', () => {
  test('have none of the two that sites differ in, unless said', () => {
    expect(load('').limits).toMatchObject({ connections: 20_000, requests: 10_000, clientIdle: 300_000, urlLength: 8192 })
    expect(load('').limits.requestsPerClient).toBeUndefined()
    expect(load('limits: { bytesPerSecondPerClient: 1MB }').limits.bytesPerSecondPerClient).toBe(1e6)
  })

  test.each([
    ['limits: { urlLength: 16KiB }', 'limits.urlLength: the URL is a part of the head'],
    ['limits: { headerSize: 4KiB }', 'limits.urlLength: the URL is a part of the head'],
    ['limits: { requests: 0 }', 'limits.requests: 0 is wrong'],
    ['limits: { bytesPerSecondPerClient: "0" }', 'limits.bytesPerSecondPerClient: "0" is wrong: expected a size'],
    ['outbound: { maxBytesPerSecond: fast }', 'outbound.maxBytesPerSecond: "fast" is wrong: expected a size'],
    ['trustedProxies: [proxy.example]', 'trustedProxies.0: "proxy.example" is wrong: expected an address or a network'],
  ])('%s is a mistake', (text, mistake) => expect(mistakes(text)).toEqual([expect.stringContaining(mistake)]))
})
