import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createClientAddresses } from '../../../src/edge/client-address.ts'

function request(remoteAddress: string, headers: Record<string, string> = {}, encrypted = false): IncomingMessage {
  return { socket: { remoteAddress, ...(encrypted && { encrypted }) }, headers } as unknown as IncomingMessage
}

describe('who asks', () => {
  const addresses = createClientAddresses(['10.0.0.0/8', '192.0.2.1', '2001:db8:1::/48'])
  const from = (remote: string, field: string) => addresses.of(request(remote, { 'x-forwarded-for': field }))

  test.each([
    ['203.0.113.9', '198.51.100.1', '203.0.113.9', 'nobody else is believed'],
    ['10.1.2.3', '198.51.100.1', '198.51.100.1', 'a trusted proxy is'],
    ['::ffff:10.1.2.3', '198.51.100.1', '198.51.100.1', 'also where it came to a socket of IPv6'],
    ['2001:db8:1::7', '2001:db8:2::1', '2001:db8:2::1', 'and by IPv6'],
    ['10.1.2.3', '198.51.100.1, 192.0.2.1, 10.9.9.9', '198.51.100.1', 'through several of them'],
    ['10.1.2.3', '203.0.113.1, 198.51.100.1, 10.9.9.9', '198.51.100.1', 'and what a client wrote itself is not'],
    ['10.1.2.3', '10.0.0.1, 10.0.0.2', '10.0.0.1', 'the furthest where all are trusted'],
    ['10.1.2.3', 'unknown, 10.0.0.2', '10.0.0.2', 'up to what is no address'],
    ['10.1.2.3', '_hidden', '10.1.2.3', 'or the proxy itself'],
    ['10.1.2.3', '198.51.100.1:1234', '198.51.100.1', 'without a port'],
    ['10.1.2.3', '[2001:db8::1]:1234', '2001:db8::1', 'without brackets'],
    ['10.1.2.3', '::ffff:198.51.100.1', '198.51.100.1', 'as plainly as it goes'],
    ['10.1.2.3', `${'1.1.1.1,'.repeat(5000)}`, '1.1.1.1', 'however much is told'],
  ])('%s, told %s: %s (%s)', (remote, field, client) => expect(from(remote, field)).toBe(client))

  test('is the address itself where nobody is trusted', () => {
    const plain = createClientAddresses([])
    expect(plain.of(request('::ffff:127.0.0.1', { 'x-forwarded-for': '1.1.1.1' }))).toBe('127.0.0.1')
    expect(plain.isProxy('127.0.0.1')).toBe(false)
  })

  test.each([
    [request('10.1.2.3', { 'x-forwarded-proto': 'https' }), true],
    [request('10.1.2.3', { 'x-forwarded-proto': 'http, HTTPS' }), true],
    [request('10.1.2.3', { 'x-forwarded-proto': 'https, http' }), false],
    [request('203.0.113.9', { 'x-forwarded-proto': 'https' }), false],
    [request('203.0.113.9', {}, true), true],
    [request('10.1.2.3'), false],
  ])('and whether by https: %#', (incoming, isSecure) => expect(addresses.isSecure(incoming)).toBe(isSecure))
})
