import { describe, expect, test } from 'vitest'
import { createOutbound } from '../../../src/system/outbound.ts'
import { faultOf } from '../../kit/bytes.ts'

const origins = [new URL('https://registry.example'), new URL('http://127.0.0.1:5000'), new URL('http://[::1]:5000')]
const outbound = createOutbound({
  origins,
  allow: ['10.1.2.0/24', 'fd00:1::/32', 'Mirror.lan:8080', '192.168.0.9:80', 'localhost:7000'],
})
const answer = (url: string) => faultOf(() => outbound.check(new URL(url)))

function lookup(origin: string, hostname: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  outbound.lookupFor(new URL(origin))(hostname, {}, (error, address) => (error ? reject(error) : resolve(String(address))))
  return promise
}

describe('addresses written in a URL', () => {
  test.each([
    'http://1.1.1.1/',
    'https://[2606:4700::1111]/',
    'https://anything.example/',
    'http://127.0.0.1:5000/x', // an upstream
    'http://[::1]:5000/',
    'http://10.1.2.200:99/',
    'http://[fd00:1::5]/',
    'http://192.168.0.9/',
    'http://[::ffff:10.1.2.3]/', // the same network in other clothes
  ])('%s may be dialled', async (url) => expect(await answer(url)).toBeUndefined())

  test.each([
    'http://127.0.0.1/',
    'http://127.0.0.1:5001/',
    'https://127.0.0.1:5000.evil.example@127.0.0.1/',
    'http://0.0.0.0/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://10.0.0.1/',
    'http://10.1.3.1/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://172.31.255.255/',
    'http://192.168.1.1/',
    'http://192.168.0.9:81/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:a00:1]/',
    'http://[::127.0.0.1]/',
    'http://[::ffff:0:127.0.0.1]/',
    'http://[64:ff9b::127.0.0.1]/',
    'http://[64:ff9b:1::a00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[fe80::1]/',
    'http://[fc00::1]/',
    'http://[fd00:2::1]/',
    'http://[ff02::1]/',
    'ftp://1.1.1.1/',
    'file:///etc/passwd',
    'data:text/plain,x',
  ])('%s may not', async (url) => expect(await answer(url)).toBe('outbound-blocked'))
})

describe('names', () => {
  test('what a name resolves to is checked when it is dialled', async () => {
    await expect(lookup('http://localhost:7001', 'localhost')).rejects.toMatchObject({ code: 'outbound-blocked' })
    expect(await lookup('http://localhost:7000', 'localhost')).toMatch(/^(127\.0\.0\.1|::1)$/)
  })

  test('of several addresses every one must be allowed', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    outbound.lookupFor(new URL('http://localhost:7001'))('localhost', { all: true }, (error) => resolve(error))
    expect(await promise).toMatchObject({ code: 'outbound-blocked' })
  })

  test('a refusal says how to allow it', async () => {
    const error = await lookup('http://localhost:7001', 'localhost').catch((error: Error) => error.message)
    expect(error).toContain('localhost:7001')
    expect(error).toContain('outbound.allow')
  })

  test('configured places are known by host and port, whatever the case', () => {
    const known = (url: string) => outbound.isConfigured(new URL(url))
    expect(known('https://REGISTRY.example/v2/')).toBe(true)
    expect(known('http://registry.example/')).toBe(false)
    expect(known('http://mirror.lan:8080/')).toBe(true)
    expect(known('http://mirror.lan/')).toBe(false)
  })
})
